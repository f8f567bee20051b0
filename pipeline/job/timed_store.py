"""A dedup store whose answers are timed, for the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.rate_table import RateTable
from pipeline.contracts.values import Claim, ClaimResult, StoreIdentity, StoreUsage
from pipeline.job.counts import StoreVerb
from pipeline.job.histogram import Histogram


class TimedStore:
    """A `DedupStore` that asks another one, and measures how long `claim`, `confirm` and `sync` take."""

    def __init__(
        self, store: DedupStore, durations: Mapping[StoreVerb, Histogram], clock_s: Callable[[], float]
    ) -> None:
        """`durations` get the times in ms. `clock_s` returns seconds of a clock that never goes back, and counts microseconds."""
        self._store = store
        self._durations = durations
        self._clock_s = clock_s

    @property
    def identity(self) -> StoreIdentity:
        """Which store this is."""
        return self._store.identity

    def claim(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the result of each claim, in order."""
        begun_s = self._clock_s()
        results = self._store.claim(claims)
        self._note(StoreVerb.CLAIM, begun_s)
        return results

    def look_up(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the results that `claim` would return now."""
        return self._store.look_up(claims)

    def confirm(self, claims: Sequence[Claim]) -> None:
        """Remember the messages as reported."""
        begun_s = self._clock_s()
        self._store.confirm(claims)
        self._note(StoreVerb.CONFIRM, begun_s)

    def release(self, claims: Sequence[Claim], *, in_doubt: bool = False) -> None:
        """Give the claims back without a report."""
        self._store.release(claims, in_doubt=in_doubt)

    def renew(self) -> None:
        """Extend the lease."""
        self._store.renew()

    def sync(self) -> None:
        """Block until everything confirmed so far survives a crash of the machine."""
        begun_s = self._clock_s()
        self._store.sync()
        self._note(StoreVerb.SYNC, begun_s)

    def sweep(self) -> int:
        """Take one step of the upkeep."""
        return self._store.sweep()

    def usage(self) -> StoreUsage:
        """Return how full the store is."""
        return self._store.usage()

    def rates(self) -> RateTable:
        """Return the table of rates."""
        return self._store.rates()

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _note(self, verb: StoreVerb, begun_s: float) -> None:
        self._durations[verb].observe((self._clock_s() - begun_s) * 1000)
