"""A dry run over sample records: what becomes of them, and what that says of the source file. It sends, remembers and commits nothing."""
