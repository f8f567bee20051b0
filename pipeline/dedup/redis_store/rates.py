"""Rates that processes of several hosts share: a key for each bucket, and the clock of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.dedup.rates import CREDIT_MS, MOST_PROCESSES, SPARE_MS

SPEND = f"""
local time = redis.call('TIME')
local now, cost = time[1] * 1000 + time[2] / 1000, ARGV[1] * 1000 / ARGV[2]
local paid = tonumber(redis.call('GET', KEYS[1]) or 0)
paid = math.min(math.max(paid, now - {CREDIT_MS}), now + {SPARE_MS} + {MOST_PROCESSES - 1} * cost) + cost
redis.call('SET', KEYS[1], string.format('%.3f', paid), 'PX', math.max(math.ceil(paid - now), 0) + 1000)
return string.format('%.3f', paid - now)
"""
"""The rule of `paid_ms`, as a script: the server runs it without a break."""


class RedisRates:
    """A `RateTable` on a server."""

    def __init__(self, prefix: bytes, run: Callable[[Any, Any, Any], Any], script: Any) -> None:
        """`run` runs a registered script with its keys and arguments, and raises `StoreUnavailable`."""
        self._prefix = prefix
        self._run = run
        self._script = script

    def spend(self, bucket: bytes, units: float, per_second: float) -> float:
        """Count units, and return the time in ms until all is paid. This is one round trip."""
        return float(self._run(self._script, (self._prefix + b":r:" + bucket,), (units, per_second)))
