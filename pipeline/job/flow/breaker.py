"""The circuit breaker: in an outage nothing is sent until the back-off is over, and then one batch at a time, the probe."""

from __future__ import annotations

from pipeline.contracts.retry import MOST_HINT_MS, Backoff


class Breaker:
    """The breaker of one operation. It is open in an outage."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0
        self._open_until_ms: int | None = None
        self._is_probing = False

    def may_send(self, now_ms: int) -> bool:
        """Whether a batch may be sent now."""
        if self._open_until_ms is None:
            return True
        return now_ms >= self._open_until_ms and not self._is_probing

    def sent(self) -> None:
        """Record that a batch was sent. While the breaker is open, this batch is the probe, also if it was sent before its time."""
        if self._open_until_ms is not None:
            self._is_probing = True

    def unsent(self) -> None:
        """Record that a batch was not sent after all. If it was to be the probe, another batch may be."""
        self._is_probing = False

    def failed(self, now_ms: int, after_ms: int | None) -> None:
        """Record that a batch failed in an outage. A failure of a batch that was sent before the breaker opened does not lengthen the back-off."""
        if self._open_until_ms is not None and now_ms < self._open_until_ms and not self._is_probing:
            if after_ms is not None:
                self._open_until_ms = max(self._open_until_ms, now_ms + min(after_ms, MOST_HINT_MS))
            return
        self._failures += 1
        self._is_probing = False
        self._open_until_ms = now_ms + self._backoff.delay_ms(self._failures, after_ms)

    def succeeded(self) -> None:
        """Record that the destination answers."""
        self._failures = 0
        self._is_probing = False
        self._open_until_ms = None

    def next_ms(self) -> int | None:
        """Return the time from which the next probe may be sent; None while the breaker is closed."""
        return self._open_until_ms
