"""A rule with `for_each`: one message for each element of a list of the entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.log import LogEntry
from schemas.refusal import ReasonCode
from transforms.fields import Value
from transforms.mapping.comparisons import Predicate
from transforms.mapping.readers import Rejected
from transforms.mapping.values import names_element
from transforms.values.text import Inconvertible

MOST_ELEMENTS = 1_000
"""The most elements of a list. A longer one is a mistake in the mapping, and not the items of an order."""


@dataclass(slots=True)
class ElementEntry(LogEntry):
    """An entry with one element of a list in it: `$item` is the element, `$index` its place, from 0."""

    item: Any = None
    index: int = 0


MakeMessage = Callable[[LogEntry], dict[str, Any] | None]


def split_condition(when: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Split a condition that compiles in two: one on the entry, which decides whether the rule matches, and one on an element. Both must hold."""
    of_entry: dict[str, Any] = {}
    of_element: dict[str, Any] = {}
    for name, expected in when.items():
        if not names_element({name: expected}):
            of_entry[name] = expected
        elif name == "all":
            parts = [split_condition(each) for each in expected]
            of_element[name] = [part for _, part in parts if part]
            if entry_parts := [part for part, _ in parts if part]:
                of_entry[name] = entry_parts
        else:
            of_element[name] = expected
    return of_entry, of_element


def elements_of(entry: LogEntry, value: Value) -> Iterator[ElementEntry]:
    """Return the entry once for each element of the list; an absent list has no elements.

    Raises:
        Rejected: the value is no list, or has more than 1,000 elements.
    """
    try:
        found = value(entry)
    except Inconvertible as error:
        raise Rejected(ReasonCode.FUNCTION_FAILED, f"for_each: {error}") from None
    if found is None:
        found = []
    if not isinstance(found, list):
        raise Rejected(ReasonCode.FIELD_TYPE, "for_each is no list")
    if len(found) > MOST_ELEMENTS:
        raise Rejected(ReasonCode.TOO_MANY_ELEMENTS, f"for_each has more than {MOST_ELEMENTS} elements")
    return (ElementEntry(entry.fields, entry.record, entry.place, item, index) for index, item in enumerate(found))


def for_each(value: Value, holds: Predicate, make: MakeMessage) -> Callable[[LogEntry], list[dict[str, Any]]]:
    """Return a function that makes the messages of all elements for which a condition holds."""

    def make_each(entry: LogEntry) -> list[dict[str, Any]]:
        messages = (make(each) for each in elements_of(entry, value) if holds(each))
        return [wire for wire in messages if wire is not None]

    return make_each
