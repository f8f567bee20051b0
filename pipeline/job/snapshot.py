"""What the loop says of itself: the status of this moment, put together from all parts."""

from __future__ import annotations

from pipeline.contracts.values import StoreUsage
from pipeline.job.backpressure import Backpressure
from pipeline.job.claims import ClaimQueue
from pipeline.job.head_watch import Head, HeadWatch
from pipeline.job.in_flight import PendingMessage
from pipeline.job.offsets import Offsets
from pipeline.job.parts import Parts
from pipeline.job.status import Status
from pipeline.job.timing import Interval

USAGE_EVERY_MS = 10_000
"""How often the dedup store is asked how full it is: for a store on a server it is a round trip."""


class Snapshot:
    """Makes the status. It asks no broker; the dedup store is asked in `look` alone."""

    def __init__(
        self, parts: Parts, offsets: Offsets, claims: ClaimQueue[PendingMessage], backpressure: Backpressure
    ) -> None:
        self._parts = parts
        self._offsets = offsets
        self._claims = claims
        self._backpressure = backpressure
        self._heads = HeadWatch()
        self._usage_interval = Interval(USAGE_EVERY_MS)
        self._usage = StoreUsage()
        self.stalls = 0
        """The number of times that a partition stood still although it had records to read."""

    def look(self, now_ms: int) -> None:
        """Look at what is watched over time: the heads, and now and then the room in the dedup store.

        Raises:
            StoreUnavailable: the dedup store is damaged.
        """
        self._heads.look(self._offsets.owned.values(), now_ms)
        if self._usage_interval.is_due(now_ms):
            self._usage = self._parts.store.usage()

    @property
    def head(self) -> Head | None:
        """The oldest head at the latest look."""
        return self._heads.oldest

    def status(self, now_ms: int, *, is_stopping: bool) -> Status:
        """Return the status: a copy, which does not change while the job goes on."""
        parts, offsets, dispatch = self._parts, self._offsets, self._parts.dispatch
        flows = dispatch.flows(now_ms)
        return Status(
            at_ms=now_ms,
            books=offsets.books(),
            lifetime=offsets.committed_books(),
            lag=parts.source.lag(),
            attempts=dispatch.attempts.copy(),
            sending=dispatch.sending,
            queued=dispatch.queued,
            waiting_elsewhere=self._claims.waiting_elsewhere,
            flows=flows,
            warnings=parts.convert.warnings,
            stopping=is_stopping,
            paused=parts.source.pauses.counts(),
            held=self._backpressure.waits_for,
            stalls=self.stalls,
            head_age_ms=self._heads.age_ms,
            holds=dispatch.holds(),
            counts=parts.counts.with_waits(flows),
            oldest_ms=offsets.oldest_ms(),
            unfinished_bytes=offsets.unfinished_bytes,
            dead_share=parts.dead_letter_limit.share(),
            usage=self._usage,
            source=parts.source.state(),
            dead_letters_away=parts.dead_letters.is_away,
            halt=dispatch.halt,
        )
