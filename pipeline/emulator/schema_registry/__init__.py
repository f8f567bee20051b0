"""The stand-in for a Schema Registry."""
