"""Rows of a database in change events or in records of Kafka Connect: the step that unwraps them, and the fields that are examined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.authoring.infer.guess import ENOUGH, Guess, decoded
from pipeline.contracts.interfaces import Fields
from pipeline.decode.connect.debezium import ENVELOPE

CHANGES: dict[str, Any] = {"format": "debezium", "operations": ["c", "u", "d", "r"]}
"""The step for change events of every operation."""


def with_connect_step(values: Sequence[bytes], found: Guess) -> Guess:
    """Return the guess with the `connect` step if Kafka Connect wrapped the JSON, or with the operations if the events are Debezium's."""
    first = found.steps[0]
    if first["format"] == "json":
        wrapped = sum(entry.keys() == {"schema", "payload"} for entry in found.entries)
        return decoded(values, ({**first, "format": "connect"},)) if wrapped > len(found.entries) * ENOUGH else found
    return with_operations(found) if first["format"] == "debezium" else found


def with_operations(found: Guess) -> Guess:
    """Return the guess with only the operations that the sample has."""
    *earlier, last = found.steps
    seen = {entry[ENVELOPE].get("op") for entry in found.entries}
    operations = [each for each in last["operations"] if each in seen]
    return found._replace(steps=(*earlier, {**last, "operations": operations or ["c", "u"]}))


def without_old_row(found: Guess) -> Guess:
    """Return the guess without the old row of change events, and without the envelope fields of an Avro event.

    They repeat the columns of the new row, with the same customer's identifiers.
    """
    if all(step["format"] != "debezium" for step in found.steps):
        return found
    is_beside = found.steps[0]["format"] != "debezium"
    entries: list[Fields] = []
    for entry in found.entries:
        envelope = entry[ENVELOPE]
        envelope_fields = (
            {"after", *(name for name in envelope if entry.get(name) == envelope[name])} if is_beside else set()
        )
        row = {name: each for name, each in entry.items() if name not in envelope_fields}
        entries.append({**row, ENVELOPE: {name: each for name, each in envelope.items() if name != "before"}})
    return found._replace(entries=tuple(entries))
