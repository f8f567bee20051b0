"""When to try again: the back-off after a number of failures. A pure rule; the caller gives the random numbers."""

from __future__ import annotations

from collections.abc import Callable

MOST_HINT_MS = 600_000
"""The longest wait that a server's hint may ask for: ten minutes. A longer hint is a mistake or an attack."""

_MOST_DOUBLINGS = 30
"""The number of doublings that lead from 1 ms to twelve days, which is more than any `report.backoff.most`."""


class Backoff:
    """Exponential back-off with equal jitter: half of the step is fixed, half is random (reference, section 4.3)."""

    def __init__(self, first_ms: int, most_ms: int, random: Callable[[], float]) -> None:
        """`random` gives numbers from 0 (inclusive) to 1 (exclusive)."""
        self._first_ms = first_ms
        self._random = random
        self.most_ms = most_ms

    def delay_ms(self, failures: int, after_ms: int | None = None) -> int:
        """Return the time to wait after a number of failures in a row (from 1). It is never shorter than `after_ms`, the server's own hint."""
        step = min(self.most_ms, self._first_ms << min(max(failures - 1, 0), _MOST_DOUBLINGS))
        delay = step // 2 + int(step / 2 * self._random())
        return delay if after_ms is None else max(delay, min(after_ms, MOST_HINT_MS))
