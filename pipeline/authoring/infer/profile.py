"""The profile of a sample's fields: path, frequency, kinds and values of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from transforms.fault import BadExpression
from transforms.fields import parse_steps
from transforms.values.text import text_or_none

MOST_DEPTH = 6
MOST_FIELDS = 500
MOST_ODD = 0.02
_PLAIN_NAME = re.compile(r"[^.\[\]\s|'\"$@]+")


@dataclass(slots=True)
class FieldProfile:
    """One field of the sample. `values` counts the texts of its scalar values; `kinds` are `text`, `number`, `true/false`, `object`, `list`."""

    path: str
    count: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """The last name of the path, in lower case."""
        return re.split(r"[.\[]", self.path)[-1].strip("]'\"$").lower()

    @property
    def is_scalar(self) -> bool:
        """Whether the field almost never holds an object or a list. Broken records may hold one in place of a text."""
        return bool(self.values) and (self.kinds["object"] + self.kinds["list"]) <= MOST_ODD * self.count

    def presence(self, entries: int) -> float:
        """Return the share of entries that have the field, 0 to 1."""
        return self.count / max(entries, 1)

    @property
    def uniqueness(self) -> float:
        """The share of the values that occur once, 0 to 1."""
        return sum(count == 1 for count in self.values.values()) / max(self.count, 1)

    @property
    def kind(self) -> str:
        """The most frequent kind of value."""
        return self.kinds.most_common(1)[0][0]


def survey(entries: Sequence[Mapping[str, Any]]) -> list[FieldProfile]:
    """Return the fields in the order of their first occurrence. Only the first element of a list is examined."""
    fields: dict[str, FieldProfile] = {}
    for entry in entries:
        for path, value in _walk(entry, "$", 0):
            found = fields.get(path)
            if found is None:
                if len(fields) >= MOST_FIELDS:
                    continue
                found = fields[path] = FieldProfile(path)
            found.count += 1
            found.kinds[_kind(value)] += 1
            if not isinstance(value, Mapping | list) and (text := text_or_none(value)) is not None:
                found.values[text] += 1
    return list(fields.values())


def _walk(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        inner = [(_step(path, str(name)), each) for name, each in value.items()]
    elif isinstance(value, list):
        inner = [(f"{path}[0]", value[0])] if value else []
    else:
        inner = []
    for here, each in inner:
        if each is None or each == "" or not _is_path(here):
            continue
        yield here, each
        if depth < MOST_DEPTH:
            yield from _walk(each, here, depth + 1)


def _step(path: str, name: str) -> str:
    if _PLAIN_NAME.fullmatch(name):
        return f"{path}.{name}"
    return f'{path}["{name}"]' if "'" in name else f"{path}['{name}']"


def _is_path(path: str) -> bool:
    try:
        parse_steps(path)
    except BadExpression:
        return False  # a path cannot write a name with both kinds of quotes, or with a bracket
    return path.isprintable()


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true/false"
        case int() | float() | Decimal():
            return "number"
        case str():
            return "text"
        case Mapping():
            return "object"
    return "list"
