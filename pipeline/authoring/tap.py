"""Which of the records that pass are looked at, and how many a second."""

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
"""After so long without a record the brokers are asked whether they live."""

MOST_BEHIND = 50_000
"""Offsets. Further behind the end of a busy topic it is no live look any more: what lies between is passed over."""


class TapStage(StrEnum):
    """What of a record is shown, and so which records are."""

    DECODED = "decoded"
    MAPPED = "mapped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records are looked at: those of the stage for which all of it holds. Empty collections ask for nothing."""

    stage: TapStage = TapStage.DECODED
    where: Sequence[Predicate] = ()
    reasons: Collection[ReasonCode] = ()
    event_codes: Collection[str] = ()

    def takes(self, passing: Trace) -> bool:
        """Whether a record is to be looked at."""
        refusal = passing.converted.refusal
        if self.where and not any(all(test(entry) for test in self.where) for entry in passing.decoded):
            return False
        if self.reasons and (refusal is None or refusal.code not in self.reasons):
            return False
        if self.event_codes and not any(code in self.event_codes for code in passing.event_codes()):
            return False
        match self.stage:
            case TapStage.REFUSED:
                return refusal is not None
            case TapStage.MAPPED:
                return bool(passing.converted.messages)
            case _:
                return bool(passing.decoded)


class Gate:
    """Lets at most so many through in each second; 0 is any number. Times are seconds of one clock, given by the caller."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._until_s = float("-inf")
        self._left = rate

    def closed_for_s(self, now_s: float) -> float:
        """Return how long it stays closed; 0.0 lets one through, which counts."""
        if not self._rate:
            return 0.0
        if now_s >= self._until_s:
            self._until_s, self._left = now_s + 1.0, self._rate
        if not self._left:
            return self._until_s - now_s
        self._left -= 1
        return 0.0


class RecordReader(Protocol):
    """What the records come from; `pipeline.kafka_io.tail` has the real one."""

    def poll(self, wait_ms: int) -> Sequence[Record]:
        """Return the next records, or none after a while."""
        ...

    def ask(self) -> None:
        """Ask for a sign of life."""
        ...

    def behind(self) -> int:
        """Return how many offsets lie between here and the end."""
        ...

    def skip_to_end(self) -> int:
        """Go on at the end; return how many offsets are passed over."""
        ...


@dataclass(slots=True)
class Counts:
    """What a look came to: records read, those of them shown, those that fitted and were too many, and offsets that were never read."""

    read: int = 0
    shown: int = 0
    too_many: int = 0
    unread: int = 0


class Tap:
    """Looks at what passes until it has seen enough or is told to stop."""

    def __init__(
        self,
        reader: RecordReader,
        converter: Converter,
        choice: Choice,
        show: Callable[[Trace], None],
        gate: Gate,
        *,
        clock: Callable[[], float],
        stop: Event,
    ) -> None:
        """`clock` gives seconds and never goes back."""
        self._reader, self._converter, self._choice = reader, converter, choice
        self._show, self._gate, self._clock, self._stop = show, gate, clock, stop
        self.counts = Counts()

    def run(self, most: int | None, *, live: bool) -> Counts:
        """Read until `most` records are shown (None: for ever) or `stop` is set.

        `live`: what is too much for the gate is passed over, and so is what lies far behind the end; otherwise it waits its turn.

        Raises:
            SourceUnavailable: the brokers are away.
        """
        heard_s = self._clock()
        while not self._stop.is_set():
            records = self._reader.poll(POLL_MS)
            if records:
                heard_s = self._clock()
            elif self._clock() - heard_s >= SILENCE_S:
                self._reader.ask()
                heard_s = self._clock()
            for record in records:
                self._take(record, live=live)
                if self.counts.shown == most or self._stop.is_set():
                    return self.counts
            if live and records and self._reader.behind() > MOST_BEHIND:
                self.counts.unread += self._reader.skip_to_end()
        return self.counts

    def _take(self, record: Record, *, live: bool) -> None:
        self.counts.read += 1
        passing = trace(self._converter, record)
        if not self._choice.takes(passing):
            return
        while closed_s := self._gate.closed_for_s(self._clock()):
            if live:
                self.counts.too_many += 1
                return
            if self._stop.wait(closed_s):
                return
        self.counts.shown += 1
        self._show(passing)
