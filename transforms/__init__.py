"""Pure conversion of one decoded log entry to messages: the declarative mapping and Python plug-ins. It knows no Kafka, no HTTP and no clock of its own."""
