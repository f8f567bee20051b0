"""What stands before the part of a line that has a format of its own, as patterns of RE2."""

from __future__ import annotations

CRI = r"(?P<time>\d{4}-\d\d-\d\dT\S+) (?P<stream>stdout|stderr) (?P<tag>[FP]\S*) (?P<message>.*)"
"""What container runtimes of Kubernetes put before a line."""

LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL")

_TIME = r"\[?(?P<time>\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)\]?[ \t|,;]+"

TIMED = (
    rf"{_TIME}"
    rf"(?:\[?(?P<level>{'|'.join(LEVELS)})\]?[ \t|,;:-]+)?(?P<message>.*)"
)
"""A line of an application's own: a time, mostly a level, and what it says."""

JSON_WITHIN = rf"(?:{_TIME})?(?P<before>[^{{]*)(?P<message>\{{.*\}})(?P<behind>[^{{}}]*)"
"""A line with JSON in it, as PHP's Monolog writes them."""
