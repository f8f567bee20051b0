"""Rows that a database's change events or Kafka Connect carry: what is around them, and what of them is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.authoring.infer.guess import ENOUGH, Guess, decoded
from pipeline.contracts.interfaces import Fields
from pipeline.decode.connect.debezium import ENVELOPE

CHANGES: dict[str, Any] = {"format": "debezium", "operations": ["c", "u", "d", "r"]}
"""The step for change events of every operation."""


def of_connect(values: Sequence[bytes], found: Guess) -> Guess:
    """See whether JSON is what Kafka Connect put around rows, and of Debezium's events which operations there are."""
    first = found.steps[0]
    if first["format"] == "json":
        wrapped = sum(entry.keys() == {"schema", "payload"} for entry in found.entries)
        return decoded(values, ({**first, "format": "connect"},)) if wrapped > len(found.entries) * ENOUGH else found
    return of_changes(found) if first["format"] == "debezium" else found


def of_changes(found: Guess) -> Guess:
    """Name the operations that there are."""
    *before, last = found.steps
    seen = {entry[ENVELOPE].get("op") for entry in found.entries}
    operations = [each for each in last["operations"] if each in seen]
    return found._replace(steps=(*before, {**last, "operations": operations or ["c", "u"]}))


def of_the_row(found: Guess) -> Guess:
    """Leave the row as it was before out of a change event's fields, and an Avro event's own: they have the same columns, and the same customer's identifiers."""
    if all(step["format"] != "debezium" for step in found.steps):
        return found
    is_beside = found.steps[0]["format"] != "debezium"
    entries: list[Fields] = []
    for entry in found.entries:
        envelope = entry[ENVELOPE]
        own = {"after", *(name for name in envelope if entry.get(name) == envelope[name])} if is_beside else set()
        row = {name: each for name, each in entry.items() if name not in own}
        entries.append({**row, ENVELOPE: {name: each for name, each in envelope.items() if name != "before"}})
    return found._replace(entries=tuple(entries))
