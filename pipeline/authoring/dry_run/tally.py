"""What would become of a sample's records, counted, with one example of each fate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from pipeline.authoring.dry_run.records import Sampled
from pipeline.authoring.trace import Trace
from pipeline.contracts.values import ClaimResult
from pipeline.dedup import DedupSettings, open_store
from pipeline.job.books import RecordOutcome
from pipeline.job.in_flight import PendingMessage
from pipeline.observe.masking import Masking
from schemas.refusal import ReasonCode, Refusal
from transforms.base import Kind

MOST_SHOWN_CHARACTERS = 145

_CONTENT = ("customerId", "eventTime", "eventSourceCode", "extendAttributes", "customerIdList")


_DIGEST_BYTES = 8


@dataclass(slots=True)
class Example:
    """One record of many: where it is, why it ended so, and what it holds, masked and cut."""

    place: str
    reason: str
    shown: str


@dataclass(slots=True)
class OutcomeGroup:
    """Records that ended the same way."""

    example: Example
    count: int = 0


@dataclass(slots=True)
class Reports:
    """Messages of one event code, or all of users."""

    reported: int = 0
    duplicate: int = 0


@dataclass(slots=True)
class Clash:
    """Events with the ID of an earlier one that are another event all the same. `places` are of the first two; `differing` says in which fields."""

    places: tuple[str, str]
    differing: str
    count: int = 0


@dataclass(slots=True)
class SampleTally:
    """The counts. `fates` is by fate and, of the filtered and the refused, by reason."""

    records: int = 0
    fates: dict[tuple[RecordOutcome, str], OutcomeGroup] = field(default_factory=dict)
    events: dict[str, Reports] = field(default_factory=dict)
    users: Reports = field(default_factory=Reports)
    messages: int = 0
    clashes: dict[str, Clash] = field(default_factory=dict)

    def count(self, fate: RecordOutcome) -> int:
        """Return how many records ended so."""
        return sum(group.count for (each, _), group in self.fates.items() if each is fate)


class Counter:
    """Takes records one after the other. Remembers what was reported as the job would, but in memory only."""

    def __init__(self, dedup: DedupSettings, charset: str) -> None:
        """`charset` is that of the records, for those that can only be shown as they are."""
        self.tally = SampleTally()
        self._charset = charset
        self._reported = open_store(dedup.model_copy(update={"store": "memory"}), "trial", 0)
        self._events: dict[bytes, tuple[str, bytes]] = {}

    def take(self, sampled: Sampled, traced: Trace, rules: Sequence[str]) -> None:
        """Count a record. `rules` names the rules that made its messages, in their order."""
        self.tally.records += 1
        messages, refusal, filtered, _ = traced.converted
        self.tally.messages += len(messages)
        names = rules if len(rules) == len(messages) else [""] * len(messages)
        reported = [self._report(message, name, sampled.place) for message, name in zip(messages, names, strict=True)]
        if filtered is not None:
            fate, reason, code = RecordOutcome.FILTERED, filtered.why, filtered.why
        elif refusal is not None:
            fate, reason, code = (
                RecordOutcome.DEAD_LETTERED,
                f"{refusal.reason} (at {refusal.stage})",
                str(refusal.code),
            )
        else:
            fate, reason, code = (RecordOutcome.REPORTED if any(reported) else RecordOutcome.DUPLICATE), "", ""
        group = self.tally.fates.get((fate, code))
        if group is None:
            shown = self._shown(traced)
            group = self.tally.fates[fate, code] = OutcomeGroup(Example(sampled.place, reason, shown))
        group.count += 1

    def _report(self, parcel: PendingMessage, rule: str, place: str) -> bool:
        """Count a message; return whether it would be reported."""
        granted = self._reported.claim([parcel.claim], 0)[0] is ClaimResult.GRANTED
        if granted:
            self._reported.confirm([parcel.claim], 0)
        counts = self.tally.users
        if parcel.kind is Kind.EVENT:
            wire = orjson.loads(parcel.body)
            counts = self.tally.events.setdefault(wire["eventCode"], Reports())
            self._compare(parcel, wire, rule, place)
        counts.reported += granted
        counts.duplicate += not granted
        return granted

    def _compare(self, parcel: PendingMessage, wire: dict[str, Any], rule: str, place: str) -> None:
        content = b"".join(
            blake2b(orjson.dumps(wire.get(name), option=orjson.OPT_SORT_KEYS), digest_size=_DIGEST_BYTES).digest()
            for name in _CONTENT
        )
        before, first = self._events.setdefault(parcel.claim.key, (place, content))
        if first != content:
            differing = [
                name
                for place_in, name in zip(range(0, len(content), _DIGEST_BYTES), _CONTENT, strict=True)
                if first[place_in : place_in + _DIGEST_BYTES] != content[place_in : place_in + _DIGEST_BYTES]
            ]
            clash = self.tally.clashes.setdefault(
                rule or wire["eventCode"], Clash((before, place), " and ".join(differing))
            )
            clash.count += 1

    def _shown(self, traced: Trace) -> str:
        """Show what a record holds: its message where it makes one, else its fields, else what can be shown of its bytes."""
        show = Masking(traced.identifiers())
        if messages := traced.converted.messages:
            return show.short(json.loads(messages[0].body), MOST_SHOWN_CHARACTERS)
        decoded = traced.decoded
        if decoded and len(decoded) == len(traced.entries):
            return show.short(decoded[0].fields, MOST_SHOWN_CHARACTERS)
        return show.raw(traced.record.value, self._charset)[:MOST_SHOWN_CHARACTERS]


def is_missing(refusal: Refusal) -> bool:
    """Whether a required field had no value."""
    return refusal.code in {ReasonCode.FIELD_MISSING, ReasonCode.OUT_BIZ_ID_MISSING}
