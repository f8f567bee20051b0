"""Dead letters: their headers, and the limit of their share. This room does not know where they are written."""
