"""A simulation of flow: the real dispatch of several workers, and an API with limits, latency and outages. Time is simulated, so hours pass in seconds."""
