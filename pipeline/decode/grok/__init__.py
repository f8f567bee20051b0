"""Grok expressions, as Logstash has them, and the named patterns that they use. This package knows lines of text only, no record."""
