"""A limit that the source file sets: calls or messages of one operation a second, of all processes that share the dedup store."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pipeline.contracts.rate_table import RateTable
from pipeline.errors import StoreUnavailable

SLICE_MS = 20
"""What a process sends in so much time at the limit is counted in the table at once, so that not each call asks the store."""

CREDIT_MS = 50
"""The time before the present that still counts for a process alone: it looks at its clock only once a turn."""

ALONE_MS = 10_000
"""How long a process counts by itself after the store did not answer."""

SLOW_MS = 50
SLOW_FACTOR = 20
"""After a question that took longer than this, the process counts by itself for twenty times as long: a slow store must not slow the calls."""

_SECOND_MS = 1_000

_log = logging.getLogger("log2mq.job")


class SharedLimit:
    """One limit. A process pays afterwards: it sends, counts what it has sent in the table, and waits until the table says that all is paid.

    Between two questions a process may be ahead by one slice and one call. Over a longer time the limit holds exactly.
    """

    def __init__(
        self, setting: str, per_second: float, table: RateTable, bucket: bytes, clock: Callable[[], int]
    ) -> None:
        """`setting` names the limit for a person. `clock` returns ms of the clock of `allows`."""
        self.setting = setting
        self.per_second = per_second
        self._table = table
        self._bucket = bucket
        self._clock = clock
        self._slice = max(1.0, per_second * SLICE_MS / _SECOND_MS)
        self._unpaid = 0.0
        self._free_ms = 0.0
        self._own_ms = 0.0  # when everything that this process has sent would be paid, if it were alone
        self._alone_until_ms = 0

    def allows(self, now_ms: int) -> bool:
        """Whether something may be sent now. Ask only when something waits: it may ask the store."""
        if self._unpaid >= self._slice:
            self._free_ms = now_ms + self._pay(now_ms)
        return now_ms >= self._free_ms

    def is_waiting(self, now_ms: int) -> bool:
        """Whether what was sent is not paid yet."""
        return now_ms < self._free_ms

    def sent(self, units: int) -> None:
        """Count what is sent."""
        self._unpaid += units

    def _pay(self, now_ms: int) -> float:
        """Return the time to wait, in ms."""
        units, self._unpaid = self._unpaid, 0.0
        self._own_ms = max(self._own_ms, now_ms - CREDIT_MS) + units * _SECOND_MS / self.per_second
        if now_ms < self._alone_until_ms:
            return self._own_ms - now_ms
        begun_ms = self._clock()
        try:
            wait_ms = self._table.spend(self._bucket, units, self.per_second)
        except StoreUnavailable as error:
            _log.warning(
                "%s is kept by this process alone for %d s: %s", self.setting, ALONE_MS // _SECOND_MS, error.args[0]
            )
            self._alone_until_ms = now_ms + ALONE_MS
            return self._own_ms - now_ms
        if (took_ms := self._clock() - begun_ms) > SLOW_MS:
            self._alone_until_ms = now_ms + took_ms * SLOW_FACTOR
        return wait_ms
