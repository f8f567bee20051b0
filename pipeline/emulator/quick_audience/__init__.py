"""quick_audience."""
