"""JSON records: one object or several objects a record. This package knows no meaning of a field."""
