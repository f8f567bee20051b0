"""From a record to its messages: each with its JSON and the claim under which it is reported. Or the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from pipeline.catalogue.message_check import MessageCheck
from pipeline.contracts.interfaces import Decoder
from pipeline.contracts.message_order import at_position, order_of, place_number, record_origin
from pipeline.contracts.values import Claim, Partition, Pending
from pipeline.dead_letters.headers import CUT_HEADER, UNKNOWN_SIZE, first_written_ms
from pipeline.job.in_flight import PendingMessage
from pipeline.job.redirect import Redirect
from schemas.log import LogEntry, Record
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Skipped, Transform

NO_DIGEST = bytes(8)
"""Events have no versions: the same key is the same event."""

SCOPE_FIELDS = {"event_code": "eventCode", "event_source": "eventSourceCode", "customer": "customerId"}
"""The parts of the dedup key that stand in the message. Organisation and workspace are settings of the job."""

_EVENT = Kind.EVENT
_NO_ENTRY = Skipped("no entry")
_NO_VALUE = Refusal(Stage.READ, ReasonCode.NO_VALUE, "the record has no value")


DecodedRecord = LogEntry | list[LogEntry | Refusal] | Skipped | Refusal | Pending
"""The entry of a record; or several entries, each decoded or refused; or the reason why there is none."""


class Converted(NamedTuple):
    """What becomes of one record: messages to report, or why there are none.

    `refusal` without messages: the record is a dead letter. `refusal` with messages: the record holds several entries, and some of them are refused;
    the messages of the others are reported, and the record is a dead letter. `filtered`: a setting says that nothing is reported.
    `pending`: it cannot be decoded yet; convert it again later.
    """

    messages: Sequence[PendingMessage] = ()
    refusal: Refusal | None = None
    filtered: Skipped | None = None
    pending: Pending | None = None


class Identity(NamedTuple):
    """The owner of the messages: part of each message and of each dedup key (reference, sections 1.2, 1.3 and 8)."""

    organization_id: str
    workspace_id: str = ""


class Converter:
    """Decodes, transforms and checks records. The same record of the same place gives the same messages, claims included, unless it is pending.

    Warnings are counted.
    """

    def __init__(  # noqa: PLR0913 - what a source file sets
        self,
        decoder: Decoder,
        transform: Transform,
        identity: Identity,
        *,
        scope: Sequence[str] = ("organization", "event_code"),
        users_once: bool = True,
        without_value: str = "filter",
        most_record_bytes: int = 1 << 20,
        most_message_bytes: int = 1 << 20,
        check: MessageCheck | None = None,
    ) -> None:
        """`users_once`: identities already reported unchanged are duplicates; otherwise the identities of each record are a version of their own.

        Sizes are in bytes of the raw value and of one message's JSON.
        """
        self._decode = decoder
        self.transform = transform
        self.check = check
        self.between_entries: Callable[[], None] = lambda: None
        """Called before each entry of a record that has several: they may take long, and the loop keeps its lease so."""
        self.redirect: Redirect | None = None
        """What is converted in the place of a record that was read: the redrive of dead letters sets it."""
        self._most_record_bytes = most_record_bytes
        self._most_message_bytes = most_message_bytes
        self._without_value: Skipped | Refusal = Skipped("no value") if without_value == "filter" else _NO_VALUE
        self._users_once = users_once
        self._added: dict[Kind, dict[str, Any]] = {
            Kind.EVENT: {"organizationId": identity.organization_id, "v": 1},
            Kind.USER: {"organizationId": identity.organization_id, "v": 1},
        }
        if identity.workspace_id:
            self._added[Kind.EVENT]["workspaceId"] = identity.workspace_id
        constant = [
            identity.organization_id if "organization" in scope else "",
            identity.workspace_id if "workspace" in scope else "",
        ]
        self._event_prefix = orjson.dumps(["event", *constant]).decode()
        self._user_prefix = orjson.dumps(["user", identity.organization_id]).decode()
        self._scope_fields = tuple(SCOPE_FIELDS[name] for name in scope if name in SCOPE_FIELDS)

    def __call__(self, record: Record, place: int | None = None) -> Converted:
        """Decode and convert one record. `place` is the number of its partition (`place_number`), by default that of a topic whose ID is not known."""
        if self.redirect is not None:
            found = self.redirect(record)
            if isinstance(found, (Skipped, Refusal)):
                return self.convert(found)
            record, place = found
        return self.convert(self.decode(record), place)

    def convert(self, decoded: DecodedRecord, place: int | None = None) -> Converted:
        """Convert what `decode` returned. A bad entry does not cost the other entries of its record."""
        if isinstance(decoded, list):
            return self._convert_each(decoded, place)
        answer = self._convert(decoded, place) if isinstance(decoded, LogEntry) else decoded
        if isinstance(answer, list):
            return Converted(_tell_repeats_apart(answer) if len(answer) > 1 else answer)
        if isinstance(answer, Skipped):
            return Converted(filtered=answer)
        return Converted(refusal=answer) if isinstance(answer, Refusal) else Converted(pending=answer)

    def _convert_each(self, entries: Sequence[LogEntry | Refusal], place: int | None) -> Converted:
        messages: list[PendingMessage] = []
        refused: list[tuple[int, Refusal]] = []
        filtered = _NO_ENTRY
        for number, entry in enumerate(entries):
            self.between_entries()
            answer = entry if isinstance(entry, Refusal) else self._convert(entry, place)
            if isinstance(answer, Refusal):
                refused.append((number, answer))
            elif isinstance(answer, Skipped):
                filtered = answer
            else:
                messages += answer
        messages = _tell_repeats_apart(messages)
        if refused:
            return Converted(messages, _summed_up(refused, len(entries)))
        return Converted(messages) if messages else Converted(filtered=filtered)

    def _convert(self, entry: LogEntry, place: int | None) -> list[PendingMessage] | Skipped | Refusal:
        answer = self.transform(entry)
        if isinstance(answer, (Skipped, Refusal)):  # a tuple: `Skipped | Refusal` would be built again for each entry
            return answer
        record, check = entry.record, self.check
        if place is None:
            place = place_number(Partition(record.topic, record.partition))
        origin = record_origin(place, record.offset)
        messages = []
        for kind, wire, rule in answer:
            if check is not None and kind is _EVENT and (refusal := check(wire, rule)) is not None:
                return refusal
            wire.update(self._added[kind])
            body = orjson.dumps(wire)
            if len(body) > self._most_message_bytes:
                return Refusal(
                    Stage.CHECK,
                    ReasonCode.EVENT_TOO_LARGE,
                    f"one message is {len(body)} bytes of JSON, report.batch.bytes allows {self._most_message_bytes}",
                )
            claim = self._event_claim(wire, origin) if kind is _EVENT else self._user_claim(wire, origin, place, record)
            messages.append(PendingMessage(kind, body, claim, wire["eventCode"] if kind is _EVENT else ""))
        return messages

    def decode(self, record: Record) -> DecodedRecord:
        """Decode a record's value, unless it has none or is too large. A list holds several entries, in their order."""
        value = record.value
        if value is None:
            return self._cut_refusal(record) or self._without_value
        if len(value) > self._most_record_bytes:
            return Refusal(
                Stage.READ,
                ReasonCode.RECORD_TOO_LARGE,
                f"the value is {len(value)} bytes, limits.record allows {self._most_record_bytes}",
            )
        decoded = self._decode(value)
        if decoded.__class__ is dict:  # one entry, as most records are
            return LogEntry(decoded, record)
        if isinstance(decoded, list):
            return [
                each if isinstance(each, Refusal) else LogEntry(each, record, place)
                for place, each in enumerate(decoded)
            ]
        return decoded if isinstance(decoded, (Skipped, Refusal, Pending)) else LogEntry(decoded, record)

    def _cut_refusal(self, record: Record) -> Refusal | None:
        """Return the refusal of a record whose value was too large to be read, and None for one that was written without a value."""
        size = next((size for name, size in record.headers or () if name == CUT_HEADER), None)
        if size is None:
            return None
        reason = (
            "its batch can only be unpacked as a whole, and comes to more bytes than limits.in_flight allows"
            if size == UNKNOWN_SIZE
            else f"the record is larger than limits.record allows ({self._most_record_bytes} bytes), and too large to be read"
        )
        return Refusal(Stage.READ, ReasonCode.RECORD_TOO_LARGE, reason)

    @property
    def warnings(self) -> Mapping[tuple[str, str], int]:
        """The number of times that the catalogue check accepted each objection since the start. Records that are read again count again."""
        return dict(self.check.warnings) if self.check is not None else {}

    def event_claim(self, event_code: str, out_biz_id: str, event_source: str = "", customer: str = "") -> Claim:
        """Return a claim with the key of an event, and the origin of no record: to look the event up in the dedup store."""
        wire = {"eventCode": event_code, "eventSourceCode": event_source, "customerId": customer}
        return self._event_claim({**wire, "extendAttributes": {"outBizId": out_biz_id}}, bytes(8))

    def _event_claim(self, wire: dict[str, Any], origin: bytes) -> Claim:
        # The length stands before each part, so two different lists of parts never give the same text.
        text = self._event_prefix
        for name in self._scope_fields:
            part = wire.get(name, "")
            text += f"{len(part)}:{part}"
        text += wire["extendAttributes"]["outBizId"]
        return Claim(blake2b(text.encode(), digest_size=16).digest(), NO_DIGEST, origin)

    def _user_claim(self, wire: dict[str, Any], origin: bytes, place: int, record: Record) -> Claim:
        key = blake2b(f"{self._user_prefix}{wire['customerId']}".encode(), digest_size=16).digest()
        identities = orjson.dumps(sorted((each["idMapping"], each["customerId"]) for each in wire["customerIdList"]))
        version = identities if self._users_once else identities + origin
        digest = blake2b(version, digest_size=8).digest()
        return Claim(key, digest, origin, order_of(place, record.offset, first_written_ms(record)))


def _summed_up(refused: Sequence[tuple[int, Refusal]], entries: int) -> Refusal:
    """Return the refusal of a record: the first refused entry's reason, and the number of refused entries."""
    place, first = refused[0]
    others = f"; {len(refused)} of its entries are refused" if len(refused) > 1 else ""
    return first._replace(reason=f"entry {place} of {entries}, counted from 0: {first.reason}{others}")


def _tell_repeats_apart(messages: list[PendingMessage]) -> list[PendingMessage]:
    """Tell apart the messages of one record that have the same key.

    The second one gets another origin, so that it is a duplicate and not a redelivery. Identities are in the order of the record.
    """
    seen: dict[bytes, int] = {}
    for message in messages:
        claim = message.claim
        if position := seen.get(claim.key, 0):
            order = at_position(claim.order, position) if claim.order else b""
            message.claim = claim._replace(origin=bytes(255 - byte for byte in claim.origin), order=order)
        seen[claim.key] = position + 1
    return messages
