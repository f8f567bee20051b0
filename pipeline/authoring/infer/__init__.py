"""A source file proposed from a sample of records: the format guessed, the fields surveyed, and what each may be good for."""
