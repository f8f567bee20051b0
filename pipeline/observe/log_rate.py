"""The rate of log lines: a fault that repeats a thousand times a minute must not fill a disk."""

from __future__ import annotations

import logging
from collections import OrderedDict

MOST_A_MINUTE = 60
"""The most lines of one kind in a minute. Lines of one kind have the same logger, and the same event or the same text before its values."""

MOST_KINDS = 500
"""The kinds that are counted. The kind that was seen longest ago is forgotten."""

MINUTE_S = 60.0


class LineRateLimit(logging.Filter):
    """Lets the first `MOST_A_MINUTE` lines of a kind in each minute pass. The next one that passes says how many were left out (`left_out`)."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: OrderedDict[tuple[str, str], tuple[float, int]] = (
            OrderedDict()
        )  # the begin of the minute, and the lines

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line may pass."""
        kind = (record.name, str(getattr(record, "event", "")) or str(record.msg))
        begun_s, lines = self._kinds.pop(kind, (record.created, 0))
        left_out = 0
        if not 0 <= record.created - begun_s < MINUTE_S:
            left_out = max(0, lines - MOST_A_MINUTE)
            begun_s, lines = record.created, 0
        self._kinds[kind] = begun_s, lines + 1
        if len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)
        if left_out:
            record.left_out = left_out
        return lines < MOST_A_MINUTE
