"""The fields of a sample that may be attributes: of an entry, and of each element of a list in an entry."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from pipeline.authoring.infer.field_names import MACHINE_FIELD, TIME, is_personal
from pipeline.authoring.infer.profile import FieldProfile
from pipeline.decode.connect.debezium import ENVELOPE

MOST = 0.5
MOST_ATTRIBUTES = 20
MOST_ATTRIBUTE_CHARACTERS = 300

IN_A_LIST = re.compile(r"\[\d")
"""Matches the path of a field within a list."""


class Elements(NamedTuple):
    """A list of objects, such as an order's items, and the fields of an element that may be attributes, by name."""

    path: str
    attributes: Mapping[str, str]


def attributes_of(fields: Sequence[FieldProfile], entries: int, taken: Collection[str]) -> dict[str, str]:
    """Return names and paths of the scalar fields that most entries have, that are short, and that are no identifier of a person."""
    found: dict[str, str] = {}
    for each in fields:
        fits = (
            each.is_scalar
            and each.path not in taken
            and each.presence(entries) >= MOST
            and max(map(len, each.values)) <= MOST_ATTRIBUTE_CHARACTERS
            and (not is_personal(each) or each.kind == "true/false")
            and not each.path.startswith(f"$.{ENVELOPE}.")
            and not TIME.search(each.name)
            and not MACHINE_FIELD.search(each.name)
        )
        name = re.sub(r"\W+", "_", each.path.removeprefix("$").strip(".")).strip("_")
        short = re.sub(r"\W+", "_", each.name).strip("_")
        if fits and len(found) < MOST_ATTRIBUTES:
            found[short if short and short not in found else name or f"field_{len(found)}"] = each.path
    return found


def lists_with_elements(fields: Sequence[FieldProfile], entries: int) -> list[Elements]:
    """Return the lists of objects. The paths of their attributes begin with `$item`."""
    found = []
    for each in fields:
        if each.kind != "list" or each.presence(entries) < MOST or IN_A_LIST.search(each.path):
            continue
        begin = f"{each.path}[0]"
        inner = [
            replace(one, path=f"$item{one.path[len(begin) :]}")
            for one in fields
            if one.path.startswith((f"{begin}.", f"{begin}["))
        ]
        scalars = [one for one in inner if not IN_A_LIST.search(one.path)]
        if attributes := attributes_of(scalars, each.count, ()):
            found.append(Elements(each.path, attributes))
    return found
