"""A source file tried over a sample of its records: what would become of them, and what that says of the file. Nothing is sent, remembered or committed."""
