"""Dead letters: their headers, and the limit of their share. It does not know where they are written."""
