"""JSON Schemas for editors, made at build time from the models. No running job uses it."""
