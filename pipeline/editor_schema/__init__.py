"""editor_schema."""
