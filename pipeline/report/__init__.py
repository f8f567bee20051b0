"""Reporting to the two APIs: payload, signature, client, and what an answer means."""
