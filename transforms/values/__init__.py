"""Numbers, text, times and patterns, as values of a log. It knows no rule."""
