"""The stand-in for a Schema Registry. It does not know the client that calls it."""
