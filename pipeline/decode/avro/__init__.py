"""Avro: schemas, and the data written with them, in each encoding. It makes no HTTP call; `pipeline.decode.schema_registry` does."""
