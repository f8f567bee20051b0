"""grok."""
