"""Avro: schemas, and values written with them. It does not know where a schema comes from."""
