"""The tap: which of the records it shows, and how many a second."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Event
from typing import Protocol

from pipeline.authoring.trace import Trace, trace
from pipeline.job.converter import Converter
from schemas.log import Record
from schemas.refusal import ReasonCode
from transforms.mapping.comparisons import Predicate

POLL_MS = 250
SILENCE_S = 5.0
"""Seconds without a record after which the tap asks the brokers for a sign of life."""

MOST_BEHIND = 50_000
"""Offsets. A live tap that is further behind the end of a busy topic skips to the end."""


class TapStage(StrEnum):
    """The part of a record that is shown. Records without that part are not shown."""

    DECODED = "decoded"
    MAPPED = "mapped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Selects the records to show: of the stage, and with all conditions true. An empty collection is no condition."""

    stage: TapStage = TapStage.DECODED
    where: Sequence[Predicate] = ()
    reasons: Collection[ReasonCode] = ()
    event_codes: Collection[str] = ()

    def matches(self, traced: Trace) -> bool:
        """Whether the record is shown."""
        refusal = traced.converted.refusal
        if self.where and not any(all(test(entry) for test in self.where) for entry in traced.decoded):
            return False
        if self.reasons and (refusal is None or refusal.code not in self.reasons):
            return False
        if self.event_codes and not any(code in self.event_codes for code in traced.event_codes()):
            return False
        match self.stage:
            case TapStage.REFUSED:
                return refusal is not None
            case TapStage.MAPPED:
                return bool(traced.converted.messages)
            case _:
                return bool(traced.decoded)


class RateLimit:
    """Permits at most `rate` records in each second; 0 is no limit. The caller gives the times, in seconds of one clock."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._until_s = float("-inf")
        self._left = rate

    def wait_s(self, now_s: float) -> float:
        """Return the seconds to wait. 0.0 permits one record and counts it."""
        if not self._rate:
            return 0.0
        if now_s >= self._until_s:
            self._until_s, self._left = now_s + 1.0, self._rate
        if not self._left:
            return self._until_s - now_s
        self._left -= 1
        return 0.0


class RecordReader(Protocol):
    """The source of the records. `pipeline.kafka_io.tail` implements it."""

    def poll(self, wait_ms: int) -> Sequence[Record]:
        """Return the next records, or none after a while."""
        ...

    def ask(self) -> None:
        """Ask the brokers for a sign of life.

        Raises:
            SourceUnavailable: no broker answers.
        """
        ...

    def behind(self) -> int:
        """Return the number of offsets between the reader's position and the end."""
        ...

    def skip_to_end(self) -> int:
        """Go to the end. Return the number of skipped offsets."""
        ...


@dataclass(slots=True)
class TapCounts:
    """Records read, shown, and left out because of the rate; and offsets skipped unread."""

    read: int = 0
    shown: int = 0
    over_rate: int = 0
    unread: int = 0


class Tap:
    """Shows records until it has shown enough, or is told to stop."""

    def __init__(
        self,
        reader: RecordReader,
        converter: Converter,
        record_filter: RecordFilter,
        show: Callable[[Trace], None],
        rate_limit: RateLimit,
        *,
        clock: Callable[[], float],
        stop: Event,
    ) -> None:
        """`clock` gives seconds and never goes back. Setting `stop` ends `run`."""
        self._reader, self._converter, self._filter = reader, converter, record_filter
        self._show, self._rate_limit, self._clock, self._stop = show, rate_limit, clock, stop
        self.counts = TapCounts()

    def run(self, most: int | None, *, live: bool) -> TapCounts:
        """Read until `most` records are shown (None: no limit) or `stop` is set. Return the counts.

        `live`: records over the rate are left out, and a tap far behind the end skips to it. Otherwise every record waits its turn.

        Raises:
            SourceUnavailable: the brokers do not answer.
        """
        last_answer_s = self._clock()
        while not self._stop.is_set():
            records = self._reader.poll(POLL_MS)
            if records:
                last_answer_s = self._clock()
            elif self._clock() - last_answer_s >= SILENCE_S:
                self._reader.ask()
                last_answer_s = self._clock()
            for record in records:
                self._read(record, live=live)
                if self.counts.shown == most or self._stop.is_set():
                    return self.counts
            if live and records and self._reader.behind() > MOST_BEHIND:
                self.counts.unread += self._reader.skip_to_end()
        return self.counts

    def _read(self, record: Record, *, live: bool) -> None:
        self.counts.read += 1
        traced = trace(self._converter, record)
        if not self._filter.matches(traced):
            return
        while wait_s := self._rate_limit.wait_s(self._clock()):
            if live:
                self.counts.over_rate += 1
                return
            if self._stop.wait(wait_s):
                return
        self.counts.shown += 1
        self._show(traced)
