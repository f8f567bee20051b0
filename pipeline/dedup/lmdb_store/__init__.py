"""The embedded dedup store: one folder that the worker processes of a host share."""
