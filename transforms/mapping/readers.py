"""Readers of the fields that every message has: required texts, the time, identities, attributes. They are compiled once and raise `Rejected` only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.customer import IdMapping
from schemas.identity import normalise
from schemas.log import LogEntry
from schemas.refusal import ReasonCode
from transforms.fields import Value
from transforms.values.text import Inconvertible, text_or_none
from transforms.values.times import DEFAULT_ZONE, LEAST_MS, MOST_MS, epoch_ms, iso_reader


class Rejected(Exception):
    """A rule cannot make its message of an entry. The mapping catches the exception and returns a `Refusal`."""

    def __init__(self, code: ReasonCode, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


def required_text(value: Value, key: str, missing: ReasonCode = ReasonCode.FIELD_MISSING) -> Callable[[LogEntry], str]:
    """Return a reader of a text that is not blank. A number is read as its text; true, false, an object and a list are no texts."""

    def text(entry: LogEntry) -> str:
        try:
            found = value(entry)
            written = found if found.__class__ is str else _written(found, key)
        except Inconvertible as error:
            raise Rejected(ReasonCode.FUNCTION_FAILED, f"{key}: {error}") from None
        if not written or written.isspace():
            raise Rejected(missing, f"{key} has no value")
        return written

    return text


def optional_text(value: Value, key: str) -> Callable[[LogEntry], str]:
    """Return a reader like that of `required_text`; a text that is absent or blank is read as an empty one."""

    def text(entry: LogEntry) -> str:
        try:
            found = value(entry)
            written = found if found.__class__ is str else _written(found, key)
        except Inconvertible as error:
            raise Rejected(ReasonCode.FUNCTION_FAILED, f"{key}: {error}") from None
        return "" if written.isspace() else written

    return text


def _written(found: Any, key: str) -> str:
    if isinstance(found, (bool, Mapping, list)):  # a tuple: a union would be built anew for each value
        raise Rejected(
            ReasonCode.FIELD_TYPE, f"{key} is true or false, an object or a list; expected a text or a number"
        )
    return text_or_none(found) or ""


def event_time(
    value: Value, zone_name: str = DEFAULT_ZONE, before_ms: int | None = None, after_ms: int | None = None
) -> Callable[[LogEntry], int]:
    """Return a reader of the event's time: a result of `time(...)`, a time since 1970 whose size tells its unit, or ISO 8601.

    An ISO time without a zone is in `zone_name`. The time may lie at most `before_ms` before, and `after_ms` after, Kafka's timestamp of
    the record; None sets no limit.
    """
    read_text = iso_reader(zone_name)

    def time(entry: LogEntry) -> int:
        try:
            found = value(entry)
            if found.__class__ is int and LEAST_MS <= found < MOST_MS:
                return found
            if found is None or found == "":
                raise Rejected(ReasonCode.FIELD_MISSING, "event_time has no value")
            if isinstance(found, str) and not found.strip().lstrip("-").replace(".", "", 1).isdecimal():
                return read_text(found)
            return epoch_ms(found)
        except Inconvertible as error:
            raise Rejected(ReasonCode.TIME_INVALID, f"event_time: {error}") from None

    def time_within(entry: LogEntry) -> int:
        found, at = time(entry), entry.record.timestamp
        if at >= 0:  # else the topic keeps no timestamps
            if before_ms is not None and found < at - before_ms:
                raise Rejected(ReasonCode.TIME_INVALID, "event_time is earlier than event_times.before allows")
            if after_ms is not None and found > at + after_ms:
                raise Rejected(ReasonCode.TIME_INVALID, "event_time is later than event_times.after allows")
        return found

    return time if before_ms is None and after_ms is None else time_within


def identities(
    values: Sequence[tuple[IdMapping, Value]], *, refuse_impossible: bool
) -> Callable[[LogEntry], list[dict[str, str]]]:
    """Return a reader of identities, normalised by type. A missing one is left out; an impossible one is left out or refused, by setting."""
    named = tuple((kind, kind.value, value) for kind, value in values)

    def read(entry: LogEntry) -> list[dict[str, str]]:
        found = []
        for kind, name, value in named:
            try:
                content = value(entry)
                possible = not isinstance(content, (bool, Mapping, list))  # their JSON would pass for an opaque ID
                text = text_or_none(content) if possible else None
            except Inconvertible as error:
                raise Rejected(ReasonCode.FUNCTION_FAILED, f"identities.{name}: {error}") from None
            if possible and (not text or text.isspace()):
                continue
            normal = normalise(kind, text) if text else None
            if normal is not None:
                found.append({"customerId": normal, "idMapping": name})
            elif refuse_impossible:
                raise Rejected(ReasonCode.IDENTITY_INVALID, f"identities.{name} cannot be an identity of its type")
        return found

    return read


def attributes(values: Sequence[tuple[str, Value]]) -> Callable[[LogEntry], dict[str, str]]:
    """Return a reader of the attributes that have a value, each as a text."""
    frozen = tuple(values)

    def read(entry: LogEntry) -> dict[str, str]:
        found = {}
        try:
            for name, value in frozen:
                each = value(entry)
                if each.__class__ is str:
                    found[name] = each
                elif each is not None and (text := text_or_none(each)) is not None:
                    found[name] = text
        except Inconvertible as error:
            raise Rejected(ReasonCode.FUNCTION_FAILED, f"attributes.{name}: {error}") from None
        return found

    return read
