"""kafka_broker."""
