"""Shapes only: the standard MQ event model, user identities, API results. No behaviour beyond validation."""
