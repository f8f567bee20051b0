"""The embedded dedup store: a folder that the worker processes of one host share. It knows keys and times, no message and no offset."""
