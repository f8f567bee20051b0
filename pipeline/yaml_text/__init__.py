"""yaml_text."""
