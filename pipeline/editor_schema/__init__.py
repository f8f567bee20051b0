"""JSON Schemas for editors, made at build time from the models. The running job does not use this room."""
