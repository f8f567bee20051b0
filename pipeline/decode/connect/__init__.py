"""Kafka Connect rows and Debezium change events. It knows no registry."""
