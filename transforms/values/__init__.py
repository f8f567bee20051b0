"""Numbers, texts, times and patterns as values of a log. This room knows no rule of a mapping."""
