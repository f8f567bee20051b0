"""setting_types."""
