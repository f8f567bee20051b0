"""Rates that processes of several hosts share: a key for each bucket, and the clock of the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.dedup.rates import CREDIT_MS, MOST_PROCESSES, SPARE_MS
from pipeline.dedup.redis_store.scripts import GUARD

SPEND = (
    GUARD
    + f"""
local time, name = redis.call('TIME'), prefix .. ':r:' .. ARGV[3]
local now, cost = time[1] * 1000 + time[2] / 1000, ARGV[1] * 1000 / ARGV[2]
local paid = tonumber(redis.call('GET', name) or 0)
paid = math.min(math.max(paid, now - {CREDIT_MS}), now + {SPARE_MS} + {MOST_PROCESSES - 1} * cost) + cost
redis.call('SET', name, string.format('%.3f', paid), 'PX', math.max(math.ceil(paid - now), 0) + 1000)
return string.format('%.3f', paid - now)
"""
)
"""The rule of `paid_ms`, as a script: the server runs it without a break."""


class RedisRates:
    """A `RateTable` on a server."""

    def __init__(self, run: Callable[[Sequence[Any]], Any]) -> None:
        """`run` runs `SPEND` with its arguments, and raises `StoreUnavailable`."""
        self._run = run

    def spend(self, bucket: bytes, units: float, per_second: float) -> float:
        """Count units, and return the time in ms until all is paid. This is one round trip."""
        return float(self._run((units, per_second, bucket)))
