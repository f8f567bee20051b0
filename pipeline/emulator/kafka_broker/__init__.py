"""A real Kafka broker on this machine, without Docker, and librdkafka's mock cluster. It knows no source file and no job."""
