"""Dead letters: what is written beside a refused record, and how many are too many."""
