"""Avro: schemas, and data written by them."""
