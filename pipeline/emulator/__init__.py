"""What the demo and the tests run against: stand-ins for Quick Audience and a Schema Registry, an embedded Kafka, sample logs. The job never imports it."""
