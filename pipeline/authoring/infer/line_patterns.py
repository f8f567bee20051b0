"""RE2 patterns for the beginning of a line, before the part that has a format of its own."""

from __future__ import annotations

CRI = r"(?P<time>\d{4}-\d\d-\d\dT\S+) (?P<stream>stdout|stderr) (?P<tag>[FP]\S*) (?P<message>.*)"
"""The prefix that container runtimes of Kubernetes write before a line."""

LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL")

_TIME = r"\[?(?P<time>\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)\]?[ \t|,;]+"

TIMED = (
    rf"{_TIME}"
    rf"(?:\[?(?P<level>{'|'.join(LEVELS)})\]?[ \t|,;:-]+)?(?P<message>.*)"
)
"""A line of an application: a time, usually a level, and the message."""

JSON_WITHIN = rf"(?:{_TIME})?(?P<before>[^{{]*)(?P<message>\{{.*\}})(?P<behind>[^{{}}]*)"
"""A line that contains JSON, as PHP's Monolog writes it."""
