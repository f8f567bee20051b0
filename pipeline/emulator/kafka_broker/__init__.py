"""A real Kafka broker on this machine, without Docker, and librdkafka's mock cluster."""
