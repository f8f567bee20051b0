"""Kafka Connect rows and Debezium change events, with or without their schema. It knows no Schema Registry and no Avro."""
