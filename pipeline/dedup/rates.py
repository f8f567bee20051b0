"""Rates that processes share: the rule, and the table in the memory of one process. `lmdb_store/` and `redis_store/` have tables of their own."""

from __future__ import annotations

from collections.abc import Callable

CREDIT_MS = 50
"""A caller looks at its clock only once a turn, so it comes a little late each time."""

MOST_PROCESSES = 64
SPARE_MS = 5_000
"""Nobody waits longer than for what so many processes send at once, and so much more: a clock that was set back must not stop the job."""


def paid_ms(paid_until_ms: float, now_ms: float, units: float, per_second: float) -> float:
    """Return the time until which everything is paid, in ms, when units are added to what was paid until `paid_until_ms`.

    Each unit costs its share of a second, one after the other (the virtual scheduling of GCRA). Time that passed before the caller came is not
    lost, up to `CREDIT_MS`.
    """
    cost_ms = units * 1_000 / per_second
    most_ms = now_ms + SPARE_MS + (MOST_PROCESSES - 1) * cost_ms
    return min(max(paid_until_ms, now_ms - CREDIT_MS), most_ms) + cost_ms


class MemoryRates:
    """A `RateTable` over a dictionary, which several stores of one process may share."""

    def __init__(self, paid: dict[bytes, float], clock: Callable[[], int]) -> None:
        self._paid = paid
        self._clock = clock

    def spend(self, bucket: bytes, units: float, per_second: float) -> float:
        """Count units, and return the time in ms until all is paid."""
        now_ms = self._clock()
        self._paid[bucket] = paid_ms(self._paid.get(bucket, 0.0), now_ms, units, per_second)
        return self._paid[bucket] - now_ms
