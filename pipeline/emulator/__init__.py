"""What the demo and the tests run against: a stand-in for Quick Audience, an embedded Kafka, sample logs."""
