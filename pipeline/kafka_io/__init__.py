"""Kafka: consumer, dead-letter producer, admin, tail, and their settings. Only this room imports kafka. It does not know the job."""
