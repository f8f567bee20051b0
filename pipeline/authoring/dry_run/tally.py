"""The outcomes of a sample's records, counted, with one example of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from pipeline.authoring.dry_run.records import Sampled
from pipeline.authoring.trace import Trace
from pipeline.contracts.values import ClaimResult, Partition
from pipeline.dedup import DedupSettings
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.job.books import RecordOutcome
from pipeline.job.in_flight import PendingMessage
from pipeline.observe.masking import Masking
from schemas.log import Record
from schemas.refusal import ReasonCode, Refusal
from transforms.base import Kind

MOST_SHOWN_CHARACTERS = 145

_CONTENT = ("customerId", "eventTime", "eventSourceCode", "extendAttributes", "customerIdList")
_DIGEST_BYTES = 8


@dataclass(slots=True)
class Example:
    """One record of a group: its place, the reason of its outcome, and its content, masked and cut."""

    place: str
    reason: str
    shown: str


@dataclass(slots=True)
class OutcomeGroup:
    """The records with one outcome and one reason."""

    example: Example
    count: int = 0


@dataclass(slots=True)
class MessageCounts:
    """The messages of one event code, or all user messages."""

    reported: int = 0
    duplicate: int = 0


@dataclass(slots=True)
class RecordTimes:
    """The records of one partition that have a time, and the first and the last of these times, in Unix ms."""

    first_ms: int
    last_ms: int
    records: int = 0


@dataclass(slots=True)
class Clash:
    """Different events with the same ID. `places` are those of the first two; `differing` names the fields that differ."""

    places: tuple[str, str]
    differing: str
    count: int = 0


@dataclass(slots=True)
class SampleTally:
    """The counts of a sample. The keys of `outcomes` are the outcome, and the reason of filtered and refused records."""

    records: int = 0
    outcomes: dict[tuple[RecordOutcome, str], OutcomeGroup] = field(default_factory=dict)
    events: dict[str, MessageCounts] = field(default_factory=dict)
    users: MessageCounts = field(default_factory=MessageCounts)
    messages: int = 0
    clashes: dict[str, Clash] = field(default_factory=dict)
    spans: dict[Partition, RecordTimes] = field(default_factory=dict)

    def records_a_second(self) -> float | None:
        """Return the rate at which Kafka got the records, over all partitions. None where their times do not tell it, as those of a file."""
        rates = [
            (span.records - 1) * 1_000 / (span.last_ms - span.first_ms)
            for span in self.spans.values()
            if span.last_ms > span.first_ms
        ]
        return sum(rates) if rates else None

    def keys_a_record(self) -> float:
        """Return how many keys a record makes in the dedup store: one for each message that is reported, and one for each dead letter."""
        reported = self.users.reported + sum(counts.reported for counts in self.events.values())
        return (reported + self.count(RecordOutcome.DEAD_LETTERED)) / max(1, self.records)

    def count(self, outcome: RecordOutcome) -> int:
        """Return the number of records with this outcome."""
        return sum(group.count for (each, _), group in self.outcomes.items() if each is outcome)


class SampleCounter:
    """Counts records in order. It finds duplicates as the job does, but remembers messages in memory only."""

    def __init__(self, dedup: DedupSettings, charset: str) -> None:
        """`charset` is the character set of the records. It is used to show a record that cannot be decoded."""
        self.tally = SampleTally()
        self._charset = charset
        self._reported = MemoryStore(MemoryTable(), "trial", dedup.keep, dedup.lease, lambda: 0)
        self._events: dict[bytes, tuple[str, bytes]] = {}

    def add(self, sampled: Sampled, traced: Trace, rules: Sequence[str]) -> None:
        """Count a record. `rules` are the rules that made its messages, in the order of the messages."""
        self.tally.records += 1
        self._span(sampled.record)
        messages, refusal, filtered, _ = traced.converted
        self.tally.messages += len(messages)
        names = rules if len(rules) == len(messages) else [""] * len(messages)
        reported = [self._report(message, name, sampled.place) for message, name in zip(messages, names, strict=True)]
        if filtered is not None:
            outcome, reason, code = RecordOutcome.FILTERED, filtered.why, filtered.why
        elif refusal is not None:
            outcome, reason, code = (
                RecordOutcome.DEAD_LETTERED,
                f"{refusal.reason} (at {refusal.stage})",
                str(refusal.code),
            )
        else:
            outcome, reason, code = (RecordOutcome.REPORTED if any(reported) else RecordOutcome.DUPLICATE), "", ""
        group = self.tally.outcomes.get((outcome, code))
        if group is None:
            shown = self._shown(traced)
            group = self.tally.outcomes[outcome, code] = OutcomeGroup(Example(sampled.place, reason, shown))
        group.count += 1

    def _span(self, record: Record) -> None:
        if record.timestamp < 0:
            return
        span = self.tally.spans.setdefault(
            Partition(record.topic, record.partition), RecordTimes(record.timestamp, record.timestamp)
        )
        span.first_ms, span.last_ms = min(span.first_ms, record.timestamp), max(span.last_ms, record.timestamp)
        span.records += 1

    def _report(self, message: PendingMessage, rule: str, place: str) -> bool:
        """Count a message. Return whether it would be reported."""
        granted = self._reported.claim([message.claim])[0] is ClaimResult.GRANTED
        if granted:
            self._reported.confirm([message.claim])
        counts = self.tally.users
        if message.kind is Kind.EVENT:
            wire = orjson.loads(message.body)
            counts = self.tally.events.setdefault(wire["eventCode"], MessageCounts())
            self._compare(message, wire, rule, place)
        counts.reported += granted
        counts.duplicate += not granted
        return granted

    def _compare(self, message: PendingMessage, wire: dict[str, Any], rule: str, place: str) -> None:
        content = b"".join(
            blake2b(orjson.dumps(wire.get(name), option=orjson.OPT_SORT_KEYS), digest_size=_DIGEST_BYTES).digest()
            for name in _CONTENT
        )
        earlier, first = self._events.setdefault(message.claim.key, (place, content))
        if first != content:
            differing = [
                name
                for start, name in zip(range(0, len(content), _DIGEST_BYTES), _CONTENT, strict=True)
                if first[start : start + _DIGEST_BYTES] != content[start : start + _DIGEST_BYTES]
            ]
            clash = self.tally.clashes.setdefault(
                rule or wire["eventCode"], Clash((earlier, place), " and ".join(differing))
            )
            clash.count += 1

    def _shown(self, traced: Trace) -> str:
        """Return a record's content, masked: its first message, else its fields, else its bytes as text."""
        show = Masking(traced.identifiers())
        if messages := traced.converted.messages:
            return show.short(json.loads(messages[0].body), MOST_SHOWN_CHARACTERS)
        decoded = traced.decoded
        if decoded and len(decoded) == len(traced.entries):
            return show.short(decoded[0].fields, MOST_SHOWN_CHARACTERS)
        return show.raw(traced.record.value, self._charset)[:MOST_SHOWN_CHARACTERS]


def is_missing(refusal: Refusal) -> bool:
    """Whether the refusal says that a required field has no value."""
    return refusal.code in {ReasonCode.FIELD_MISSING, ReasonCode.OUT_BIZ_ID_MISSING}
