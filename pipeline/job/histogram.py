"""A histogram: how many values were at most as large as each of some bounds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Self

CALL_MS = (5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000)
"""The bounds for the time of a call in ms: those of OpenTelemetry (semantic conventions for HTTP, `http.client.request.duration`)."""

DELIVERY_MS = (*CALL_MS, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000)
"""The bounds for the time from a record's Kafka time to its report: after an outage, or in a replay, it is minutes, hours or a day."""

BATCH_MESSAGES = (1, 2, 5, 10, 20, 50, 99, 100)
"""The bounds for the messages of a batch. A batch of 100 is full (reference, section 4)."""

STORE_MS = (0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000, 5_000)
"""The bounds for the time of one question to the dedup store in ms."""


class Histogram:
    """Counts values by bound. `counts` has one more place than `bounds`: the values above the last bound. It only grows."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` are ascending. A value equal to a bound counts below it."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum: float = 0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def observe_ages(self, now_ms: int, times_ms: Sequence[int]) -> None:
        """Count the ages of things of different times. One that lies ahead has the age 0. It costs little more than sorting the times."""
        ordered = sorted(times_ms)
        if ordered and ordered[-1] > now_ms:
            ordered = [min(time_ms, now_ms) for time_ms in ordered]
        place, older = 0, len(ordered)
        while older and place < len(self.bounds):
            left = bisect_left(ordered, now_ms - self.bounds[place], 0, older)
            self.counts[place] += older - left
            place, older = place + 1, left
        self.counts[-1] += older
        self.sum += now_ms * len(ordered) - sum(ordered)

    def add(self, other: Histogram) -> None:
        """Add what another histogram of the same bounds has counted."""
        self.counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def copy(self) -> Self:
        """Return a copy that does not change with this one."""
        copied = type(self)(self.bounds)
        copied.add(self)
        return copied

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and (self.bounds, self.counts, self.sum) == (
            other.bounds,
            other.counts,
            other.sum,
        )

    __hash__ = None  # type: ignore[assignment]  # it changes
