"""Grok patterns, as Logstash writes them. It knows no log file."""
