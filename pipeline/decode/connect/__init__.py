"""Kafka Connect rows and Debezium change events. It uses no Schema Registry."""
