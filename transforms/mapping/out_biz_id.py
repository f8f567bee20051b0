"""The `outBizId` of an event. It is taken from the log or derived from it, and is deterministic in every case (reference, section 8)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.log import LogEntry
from schemas.refusal import ReasonCode
from transforms.fault import BadExpression, Note
from transforms.fields import Value
from transforms.mapping.elements import ElementEntry
from transforms.mapping.models import EventRule, MappingSettings
from transforms.mapping.readers import Rejected, required_text
from transforms.mapping.scope import Scope
from transforms.mapping.values import FIRST_OF, compile_value, is_constant, names_element
from transforms.values.text import Inconvertible, text_or_none

HASH_CHARACTERS = 32
"""128 bits of SHA-256, in hex: two different logs never have the same hash by chance."""

MakeOutBizId = Callable[[LogEntry], str]
"""Makes the `outBizId` of an entry. Raises `Rejected` only."""


def compile_out_biz_id(written: Any, scope: Scope, ordinal: int = 1) -> MakeOutBizId:
    """Compile one field, several fields hashed together, `{content: [...]}`, `{content: all}` or `{position: true}`.

    `ordinal` is the rule's number among the rules that would derive the same ID from one record; see `ordinals`.

    Raises:
        BadExpression: `written` is none of these.
    """
    if isinstance(written, list):
        return _hashed(written, scope)
    if isinstance(written, Mapping) and FIRST_OF not in written:
        match dict(written):
            case {"position": True, **rest} if not rest:
                return _numbered(_position, ordinal)
            case {"content": "all", **rest} if not rest:
                return _numbered(_all_content, ordinal)
            case {"content": list() as parts, **rest} if not rest:
                return _hashed(parts, scope)
        raise BadExpression(
            f"{written!r}", "a field, a list of fields, {content: [fields]}, {content: all} or {position: true}"
        )
    if is_constant(written):
        raise BadExpression(f"the constant {written!r}, the same for every event", "a field such as $.order.no")
    return required_text(compile_value(written, scope), "out_biz_id", ReasonCode.OUT_BIZ_ID_MISSING)


def _hashed(parts: Sequence[Any], scope: Scope) -> MakeOutBizId:
    if not parts:
        raise BadExpression("an empty list", "fields such as [$.order.no, $.type]")
    if all(map(is_constant, parts)):
        raise BadExpression("constants only, the same for every event", "fields such as [$.order.no, $.type]")
    values: list[Value] = [compile_value(each, scope) for each in parts]

    def make(entry: LogEntry) -> str:
        digest = hashlib.sha256()
        for value in values:
            try:
                text = text_or_none(value(entry))
            except Inconvertible as error:
                raise Rejected(ReasonCode.FUNCTION_FAILED, f"out_biz_id: {error}") from None
            # An empty part counts as missing: otherwise all entries without it would have one ID, and only one would be reported.
            if not text or text.isspace():
                raise Rejected(ReasonCode.OUT_BIZ_ID_MISSING, "a part of out_biz_id has no value")
            content = text.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8) + content)  # the length first: ("ab", "c") and ("a", "bc") differ
        return digest.hexdigest()[:HASH_CHARACTERS]

    return make


def _all_content(entry: LogEntry) -> str:
    value = entry.record.value
    if value is None:
        raise Rejected(ReasonCode.OUT_BIZ_ID_MISSING, "the record has no value to derive out_biz_id from")
    return _placed(hashlib.sha256(value).hexdigest()[:HASH_CHARACTERS], entry)


def _position(entry: LogEntry) -> str:
    record = entry.record
    return _placed(f"{record.topic}-{record.partition}-{record.offset}", entry)


def _placed(text: str, entry: LogEntry) -> str:
    """Add the numbers of the entry and of the element, so that the IDs of one record differ.

    The first entry has no number, so that the ID of a record with one entry stays what it always was.
    """
    text = f"{text}.{entry.place}" if entry.place else text
    return f"{text}[{entry.index}]" if isinstance(entry, ElementEntry) else text


def _numbered(make: MakeOutBizId, ordinal: int) -> MakeOutBizId:
    return make if ordinal == 1 else lambda entry: f"{make(entry)}-{ordinal}"


def _derivation(rule: EventRule) -> str:
    """Return the source of an ID that a rule derives from the whole record, "position" or "content"; "" where the rule names fields."""
    written = rule.out_biz_id
    if not isinstance(written, Mapping) or FIRST_OF in written:
        return ""
    return "position" if "position" in written else "content" if written.get("content") == "all" else ""


def ordinals(rules: Sequence[EventRule]) -> list[int]:
    """Return a number for each rule: rules that may make the same event code with the same ID of one record have different numbers.

    The first of them has 1, which its IDs leave out. An ID that is derived from the record identifies the record, not the event: without
    a number the second event of a record would be dropped as a duplicate. An event code that is a path may be any code. A rule that
    names fields has 1: there equal IDs mean the same event.
    """
    numbers: list[int] = []
    for place, rule in enumerate(rules):
        before = [
            numbers[other]
            for other in range(place)
            if _derivation(rule) and _derivation(rules[other]) == _derivation(rule) and _same_code(rules[other], rule)
        ]
        numbers.append(max(before, default=0) + 1)
    return numbers


def _same_code(one: EventRule, other: EventRule) -> bool:
    return not (is_constant(one.event_code) and is_constant(other.event_code)) or one.event_code == other.event_code


def out_biz_id_notes(settings: MappingSettings) -> list[Note]:
    """Return notes on the consequences of an `outBizId` that may surprise; `log2mq check` prints them."""
    notes = []
    numbers = ordinals(settings.events)
    for place, rule in enumerate(settings.events):
        written = rule.out_biz_id
        texts = []
        if isinstance(written, list) or (isinstance(written, Mapping) and "content" in written):
            texts.append(
                "a hash of content: a line that the producer repeats is reported once, and so are two lines of different events that are equal in those fields"
            )
        elif isinstance(written, Mapping) and "position" in written:
            texts.append(
                "the record's position: stable over replays, but a line that the producer repeats is reported twice, "
                "and a topic that is created again starts with the same IDs again"
            )
        if rule.for_each is not None and not _derivation(rule) and not names_element(written):
            texts.append(
                "does not name the element ($item or $index): of all elements of one entry only the first is reported"
            )
        if numbers[place] > 1:
            texts.append(
                f"ends in -{numbers[place]}, since an earlier rule may make the same event code of the same record: "
                "moving these rules changes their IDs"
            )
        same = next(
            (
                other
                for other in range(place)
                if not _derivation(rule)
                and settings.events[other].out_biz_id == written
                and _same_code(settings.events[other], rule)
            ),
            None,
        )
        if same is not None:
            texts.append(
                f"is that of events[{same}], whose event code may be the same: where both match one record, the second event is dropped as a duplicate"
            )
        notes += [Note(("events", place, "out_biz_id"), text) for text in texts]
    return notes
