"""The embedded dedup store: a folder that the worker processes of one host share."""
