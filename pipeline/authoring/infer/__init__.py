"""A source file proposed from sample records: the format, the fields, and the role of each. It reads the sample and nothing else."""
