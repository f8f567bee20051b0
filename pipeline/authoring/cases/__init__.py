"""Test cases of a source file: input records, and the expected result of each. It connects to nothing."""
