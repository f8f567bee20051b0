"""The `outBizId` of an event: taken from the log, or derived from it; deterministic in every case (reference, section 8)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.attribute import attribute_string
from schemas.log import LogEntry
from transforms.fault import BadExpression
from transforms.fields import Value
from transforms.mapping.expressions import compile_value
from transforms.mapping.functions import Tables
from transforms.mapping.models import MappingSettings

HASH_CHARACTERS = 32
"""128 bits of SHA-256, in hex: two different logs never meet by chance."""

Maker = Callable[[LogEntry], str | None]
"""Makes the `outBizId` of an entry, None where a part of it is missing. Raises `Inconvertible` only."""


def compile_out_biz_id(written: Any, tables: Tables) -> Maker:
    """Compile one field, several fields hashed together, `{content: [...]}`, `{content: all}` or `{position: true}`.

    Raises:
        BadExpression: it is none of these.
    """
    if isinstance(written, list):
        return _hashed(written, tables)
    if isinstance(written, Mapping):
        match dict(written):
            case {"position": True, **rest} if not rest:
                return _position
            case {"content": "all", **rest} if not rest:
                return _all_content
            case {"content": list() as parts, **rest} if not rest:
                return _hashed(parts, tables)
        raise BadExpression(
            f"{written!r}", "a field, a list of fields, {content: [fields]}, {content: all} or {position: true}"
        )
    value = compile_value(written, tables)
    if not isinstance(written, str) or not written.startswith(("$", "@")) or written.startswith(("$$", "@@")):
        raise BadExpression(f"the constant {written!r}, the same for every event", "a field such as $.order.no")
    return lambda entry: attribute_string(value(entry))


def _hashed(parts: Sequence[Any], tables: Tables) -> Maker:
    if not parts:
        raise BadExpression("an empty list", "fields such as [$.order.no, $.type]")
    values: list[Value] = [compile_value(each, tables) for each in parts]

    def make(entry: LogEntry) -> str | None:
        digest = hashlib.sha256()
        for value in values:
            text = attribute_string(value(entry))
            if text is None:
                return None
            content = text.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8) + content)  # the length first: ("ab", "c") and ("a", "bc") differ
        return digest.hexdigest()[:HASH_CHARACTERS]

    return make


def _all_content(entry: LogEntry) -> str:
    return hashlib.sha256(entry.record.value or b"").hexdigest()[:HASH_CHARACTERS]


def _position(entry: LogEntry) -> str:
    record = entry.record
    return f"{record.topic}-{record.partition}-{record.offset}"


def out_biz_id_notes(settings: MappingSettings) -> list[str]:
    """Say, for each rule with a derived `outBizId`, what that means; `log2mq check` prints it."""
    notes = []
    for place, rule in enumerate(settings.events):
        written = rule.out_biz_id
        name = f"events[{place}].out_biz_id"
        if isinstance(written, list) or (isinstance(written, Mapping) and "content" in written):
            notes.append(
                f"{name} is a hash of content: a line that the producer repeats is reported once, and so are two honest lines that are equal in those fields"
            )
        elif isinstance(written, Mapping) and "position" in written:
            notes.append(
                f"{name} is the record's position: stable over replays, but a line that the producer repeats is reported twice, "
                "and a topic made anew starts over with the same IDs"
            )
    return notes
