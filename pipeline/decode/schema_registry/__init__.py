"""The Schema Registry: asked for writers' schemas by their ID."""
