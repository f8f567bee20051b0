"""JSON records: one object or several objects a record."""
