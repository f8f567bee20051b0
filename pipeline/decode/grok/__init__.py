"""Grok expressions, as Logstash has them, and the named patterns that they use."""
