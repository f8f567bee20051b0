"""The Schema Registry, asked for writers' schemas by ID. It does not read Avro data."""
