"""The result of a record, with the keys of the source file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from pipeline.authoring.trace import Trace, trace
from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.values import ClaimResult
from pipeline.job.converter import Converter
from pipeline.report.payload import encode_bytes, form_body, json_array
from schemas.event import OUT_BIZ_ID
from schemas.log import Record
from schemas.refusal import Refusal
from transforms.base import Kind
from transforms.mapping import RuleTrace

PLURAL: Mapping[Kind, str] = {Kind.EVENT: "events", Kind.USER: "users"}


@dataclass(slots=True)
class FoundRecord:
    """The result of one record. `messages` are the messages that would be reported, under `events` and `users`; `bodies` are their JSON.

    `duplicate`: the record made messages, and all of them were reported before. `reached` names the rules that made a message or refused
    the record. `unmatched` names each other rule, with the condition that did not hold.
    """

    messages: dict[str, list[dict[str, Any]]]
    bodies: dict[str, list[bytes]]
    filtered: str | None = None
    refusal: Refusal | None = None
    duplicate: bool = False
    reached: set[str] = field(default_factory=set)
    unmatched: list[tuple[str, str]] = field(default_factory=list)

    def form_body(self, kind: Kind) -> str:
        """Return the body of the call that reports the messages of a kind, as it is sent."""
        return form_body(kind, encode_bytes(json_array(self.bodies[PLURAL[kind]]))).decode()

    @property
    def outcome(self) -> str:
        """A few words on how the record ended."""
        if self.refusal is not None:
            return f"refused {self.refusal.code}"
        if self.filtered is not None:
            return f"filtered ({self.filtered})"
        return "duplicate" if self.duplicate else message_counts(self.messages)

    def as_expected(self) -> dict[str, Any]:
        """Return the keys of a case that expects exactly this result. Times are in Unix ms."""
        written: dict[str, Any] = {name: listed for name, listed in self.messages.items() if listed}
        if self.refusal is not None:
            written["refused"] = self.refusal.code.value
        elif self.filtered is not None:
            written["filtered"] = True
        elif self.duplicate:
            written["duplicate"] = True
        return written


def message_counts(messages: Mapping[str, Sequence[Any]]) -> str:
    """Return the number of messages of each kind as text: `1 event and 2 users`."""
    parts = [f"{len(listed)} {kind if len(listed) != 1 else kind[:-1]}" for kind, listed in messages.items() if listed]
    return " and ".join(parts) or "no message"


def convert_record(converter: Converter, record: Record, store: DedupStore) -> FoundRecord:
    """Convert a record as the job does. Its messages are confirmed in the store, as after a call that succeeded."""
    traced = trace(converter, record)
    converted = traced.converted
    reported = []
    for message in converted.messages:
        if store.claim([message.claim])[0] is ClaimResult.GRANTED:
            store.confirm([message.claim])
            reported.append(message)
    found = FoundRecord({"events": [], "users": []}, {"events": [], "users": []})
    for message in reported:
        found.messages[PLURAL[message.kind]].append(with_source_keys(message.kind, orjson.loads(message.body)))
        found.bodies[PLURAL[message.kind]].append(message.body)
    found.filtered = None if converted.filtered is None else converted.filtered.why
    found.refusal = converted.refusal
    found.duplicate = bool(converted.messages) and converted.refusal is None and not reported
    _note_rules(traced, found)
    return found


def with_source_keys(kind: Kind, wire: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message of the API with the keys that a rule of the source file has."""
    written: dict[str, Any] = {}
    if kind is Kind.EVENT:
        written["event_code"] = wire["eventCode"]
        if "eventSourceCode" in wire:
            written["event_source_code"] = wire["eventSourceCode"]
        written["event_time"] = wire["eventTime"]
    written["customer_id"] = wire["customerId"]
    if identities := _by_type(wire.get("customerIdList", ())):
        written["identities"] = identities
    if kind is Kind.EVENT:
        attributes = dict(wire["extendAttributes"])
        written["out_biz_id"] = attributes.pop(OUT_BIZ_ID)
        if attributes:
            written["attributes"] = attributes
    return written


def _by_type(identities: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the identities by type. A plug-in may give several identities of one type; the value is a list then."""
    found: dict[str, Any] = {}
    for each in identities:
        kind, value = each["idMapping"], each["customerId"]
        before = found.get(kind)
        found[kind] = value if before is None else [*before, value] if isinstance(before, list) else [before, value]
    return found


def _unmatched_reason(rule: RuleTrace) -> str:
    if rule.not_asked:
        return f"checked, since {rule.not_asked} matched (match: first)"
    return rule.unmet[0].text


def _note_rules(traced: Trace, found: FoundRecord) -> None:
    for entry in traced.decoded:
        for rule in traced.rules(entry):
            if rule.messages or rule.refusal is not None:
                found.reached.add(rule.rule)
            elif not rule.matched:
                found.unmatched.append((rule.rule, _unmatched_reason(rule)))
            if rule.refusal is not None:
                break  # no rule runs after a refusal
