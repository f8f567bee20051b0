"""The circuit breaker: in an outage nothing is sent until the back-off is over, and then one batch at a time, the probe."""

from __future__ import annotations

from pipeline.contracts.retry import MOST_HINT_MS, Backoff

MOST_PROBES = 8
"""The most probes of an outage that have no answer at the same time."""


class Breaker:
    """The breaker of one operation. It is open in an outage, and while content is refused. The caller numbers the calls as they are sent.

    A probe of an outage that has no answer after the longest back-off does not keep the next one from finding that the outage is over. While
    content is refused each probe waits for the answer to the last one, which decides what is sent.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0
        self._open_until_ms: int | None = None
        self._is_outage = False
        self._probes: set[int] = set()  # the calls without an answer
        self._probed_ms = 0  # when the last probe was sent

    def may_send(self, now_ms: int) -> bool:
        """Whether a batch may be sent now."""
        if self._open_until_ms is None:
            return True
        if now_ms < self._open_until_ms or not self._probes:
            return now_ms >= self._open_until_ms
        has_waited = now_ms >= self._probed_ms + self._backoff.most_ms
        return self._is_outage and has_waited and len(self._probes) < MOST_PROBES

    def sent(self, call: int, now_ms: int) -> None:
        """Record that a batch is sent. While the breaker is open, this batch is a probe, also if it is sent before its time."""
        if self._open_until_ms is None:
            return
        self._probes.add(call)
        self._probed_ms = now_ms

    def unsent(self, call: int) -> None:
        """Record that a batch was not sent after all, or that its answer tells nothing. If it was to be the probe, another batch may be."""
        self._forget(call)

    def failed(self, call: int, now_ms: int, after_ms: int | None, *, is_outage: bool) -> None:
        """Record that a batch failed in an outage, or because content is refused.

        A failure of a batch that was sent before the breaker opened, or before the last probe, does not lengthen the back-off.
        """
        is_probe = call in self._probes
        was_outage, self._is_outage = self._is_outage, is_outage
        self._forget(call)
        if self._open_until_ms is not None and (
            (was_outage and self._probes) if is_probe else (now_ms < self._open_until_ms or self._probes)
        ):
            self._failures += is_probe
            self._open_until_ms = max(self._open_until_ms, now_ms + min(after_ms or 0, MOST_HINT_MS))
            return
        self._failures += 1
        self._open_until_ms = now_ms + self._backoff.delay_ms(self._failures, after_ms)

    def succeeded(self) -> None:
        """Record that the destination answers."""
        self._failures = 0
        self._probes.clear()
        self._open_until_ms = None

    def next_ms(self) -> int | None:
        """Return the time from which the next probe may be sent; None while the breaker is closed."""
        return self._open_until_ms

    def _forget(self, call: int) -> None:
        """Take a probe for answered. While content is refused there is one probe, and the first answer decides."""
        if self._is_outage:
            self._probes.discard(call)
        else:
            self._probes.clear()
