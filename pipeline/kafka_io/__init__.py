"""kafka_io."""
