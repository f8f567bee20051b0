"""Values, protocols and back-off that every room may use. It knows no room."""
