"""Test cases of a source file: input records, and the expected result of each. This package connects to nothing."""
