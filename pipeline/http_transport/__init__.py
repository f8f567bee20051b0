"""Bounded reading and TLS trust, shared by the two HTTP clients. It knows neither of the services."""
