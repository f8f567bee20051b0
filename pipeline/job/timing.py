"""When something is due: a fixed interval, and the lease of the dedup store."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.contracts.interfaces import DedupStore


class Interval:
    """A thing that is done once in a while. Times are ms of one clock, given by the caller."""

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._next_ms = 0

    def is_due(self, now_ms: int) -> bool:
        """Whether the time has come; the next time is `every_ms` later."""
        if now_ms < self._next_ms:
            return False
        self._next_ms = now_ms + self._every_ms
        return True


class Lease:
    """The lease under which this process holds its claims. It is renewed four times as often as it must be."""

    def __init__(self, store: DedupStore, length_ms: int, clock: Callable[[], int]) -> None:
        """Renew the lease: the store took it when it was opened, but the job may have waited for Kafka since then.

        `clock` returns ms of the clock that `keep` uses.
        """
        self._store = store
        self._length_ms = length_ms
        self._clock = clock
        self._has_lapsed = False
        self._renewed_ms = self._asked_ms = clock()
        store.renew()

    def keep(self, now_ms: int) -> None:
        """Renew the lease if it is time.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if now_ms - self._asked_ms < self._length_ms // 4:
            return
        self._asked_ms = now_ms
        self._store.renew()
        # The store may have answered late: until then the lease was that of the renewal before.
        self._has_lapsed = self._has_lapsed or self._clock() - self._renewed_ms >= self._length_ms
        self._renewed_ms = now_ms

    def take_lapse(self) -> bool:
        """Return whether it lapsed since the last call, as after a long pause of the process: another may hold the claims now."""
        has_lapsed, self._has_lapsed = self._has_lapsed, False
        return has_lapsed

    @property
    def send_until_ms(self) -> int:
        """The time until which a call may begin. In the last quarter of the lease a call might arrive when another process holds the claims."""
        return self._renewed_ms + self._length_ms * 3 // 4
