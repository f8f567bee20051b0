"""What demo and tests run against: a stand-in for Quick Audience, an embedded Kafka, a Schema Registry, sample logs. The job never knows it."""
