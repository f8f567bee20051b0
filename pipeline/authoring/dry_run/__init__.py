"""A dry run over sample records: their results, and warnings on the source file. It sends, remembers and commits nothing."""
