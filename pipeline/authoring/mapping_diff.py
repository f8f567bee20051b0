"""Two versions of a source file over the same records: which messages are the same, changed, new, gone, or refused now. Nothing is sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from pipeline.authoring.trace import Trace, trace
from pipeline.job.converter import Converter
from pipeline.observe.masking import Masking
from schemas.log import LogEntry, Record
from schemas.refusal import Refusal
from transforms.base import Kind, Skipped

MOST_FIELDS = 5
"""The most fields of a changed message that an example names."""


class MessageChange(StrEnum):
    """What became of a message."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"
    REFUSED = "refused now"


class DiffKey(NamedTuple):
    """Messages of one rule, kind and event code with the same change. A message that is gone, or refused, has the rule of the former file."""

    rule: str
    kind: Kind
    event_code: str
    change: MessageChange


class _Made(NamedTuple):
    rule: str
    event_code: str
    body: bytes


@dataclass(slots=True)
class MappingDiff:
    """Compares records one by one. `counts` are by rule, event code and change; `examples` has one sentence for each that is not the same."""

    old: Converter
    new: Converter
    sleep: Callable[[float], None] = time.sleep
    records: int = 0
    counts: Counter[DiffKey] = field(default_factory=Counter)
    examples: dict[DiffKey, str] = field(default_factory=dict)

    @property
    def differs(self) -> int:
        """The number of messages that are not the same."""
        return sum(count for key, count in self.counts.items() if key.change is not MessageChange.SAME)

    def add(self, record: Record) -> None:
        """Compare what both versions make of a record. Identifiers are masked in examples.

        Raises:
            RegistryUnavailable: a Schema Registry did not answer in time.
        """
        self.records += 1
        old, new = trace(self.old, record, self.sleep), trace(self.new, record, self.sleep)
        before, after = _made(old), _made(new)
        refusal = new.converted.refusal
        for found in before.keys() | after.keys():
            kind = found[0]
            was, now = before.get(found), after.get(found)
            if was is not None and now is not None:
                change = MessageChange.SAME if was.body == now.body else MessageChange.CHANGED
            elif now is not None:
                change = MessageChange.NEW
            else:
                change = MessageChange.GONE if refusal is None else MessageChange.REFUSED
            made = now or was
            assert made is not None  # noqa: S101 - one of the two has it
            key = DiffKey(made.rule, kind, made.event_code, change)
            self.counts[key] += 1
            if change is not MessageChange.SAME and key not in self.examples:
                self.examples[key] = self._example(record, old, new, was, now)

    def _example(self, record: Record, old: Trace, new: Trace, was: _Made | None, now: _Made | None) -> str:
        place = f"{record.topic}:{record.partition}:{record.offset}"
        if was is None:
            refused = old.converted.refusal
            return place if refused is None else f"{place}, refused before with {refused.code}"
        if now is None:
            refused = new.converted.refusal
            return place if refused is None else f"{place}: {refused.code} at {refused.stage}: {refused.reason}"
        show = Masking(old.identifiers() | new.identifiers())
        fields = [
            f"{path}: {show.short(before)} → {show.short(after)}"
            for path, before, after in changed_fields(orjson.loads(was.body), orjson.loads(now.body))
        ]
        more = f", and {len(fields) - MOST_FIELDS} more" if len(fields) > MOST_FIELDS else ""
        return f"{place}: {', '.join(fields[:MOST_FIELDS])}{more}"


def changed_fields(old: Mapping[str, Any], new: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each value that differs: its dotted path, and both values, None where there is none. Lists are compared as a whole."""
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from changed_fields(was, now, f"{before}{name}.")
        elif was != now:
            yield f"{before}{name}", was, now


def _made(traced: Trace) -> dict[tuple[Kind, bytes, int], _Made]:
    """Return the messages of a record by kind, dedup key, and place among those with the same key."""
    found: dict[tuple[Kind, bytes, int], _Made] = {}
    repeats: Counter[tuple[Kind, bytes]] = Counter()
    for entry in traced.entries:
        if isinstance(entry, Refusal):
            continue
        for rule, message in zip(
            _rules(traced.converter, entry), traced.converter.convert(entry).messages, strict=False
        ):
            key = (message.kind, message.claim.key)
            found[(*key, repeats[key])] = _Made(rule, message.event_code, message.body)
            repeats[key] += 1
    return found


def _rules(converter: Converter, entry: LogEntry) -> Sequence[str]:
    """Return the names of the rules that make the messages of an entry, in their order."""
    made = converter.transform(entry)
    return () if isinstance(made, (Skipped, Refusal)) else [message.rule for message in made]
