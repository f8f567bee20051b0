"""JSON records, of one object or several."""
