"""Test cases of a source file: input records, and what is expected of each. It connects to nothing."""
