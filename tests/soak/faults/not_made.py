"""A fault that cannot be made now."""

from __future__ import annotations


class NotMade(Exception):
    """The fault was not made. Its text says why. It is no fault of the schedule then, and explains nothing."""
