"""Avro: schemas, and the data written with them, in each encoding."""
