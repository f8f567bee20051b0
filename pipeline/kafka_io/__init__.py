"""Kafka: consumer, dead-letter producer, admin, tail, and their settings. The only importer of kafka; it knows no job."""
