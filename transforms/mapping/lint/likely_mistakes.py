"""Likely mistakes in a mapping that compiles. They are found in the mapping alone, without records."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from transforms.fault import BadExpression, KeyPath, Note
from transforms.fields import compile_path
from transforms.mapping.conditions import COMBINED
from transforms.mapping.expressions import names_in
from transforms.mapping.lint.condition_lines import path_of
from transforms.mapping.models import EventRule, MappingSettings, UserRule, values_of
from transforms.mapping.values import expressions_of, sources_of, text_around
from transforms.values.numbers import number_of
from transforms.values.text import Inconvertible

_ORDERS = ("gt", "ge", "lt", "le")
_BRACES = re.compile(r"\{\{|\}\}|(?<![$\w])\$\.[^\W\d]")
_LIKE_A_PATH = re.compile(r"\.?[^\W\d]\w*(?:\.\w+|\[-?\d+\])+")


def mistake_notes(settings: MappingSettings, keys: Collection[str]) -> list[Note]:
    """Return a note on each likely mistake.

    These are a number in quotes as a bound, a path that a field is compared with, an expression outside `{{ }}` or without its `$.`, and a
    table or one of the `keys` that no expression names.
    """
    rules: list[tuple[KeyPath, EventRule | UserRule]] = [
        *((("events", place), rule) for place, rule in enumerate(settings.events)),
        *((("users", place), rule) for place, rule in enumerate(settings.users)),
    ]
    expressions = [each for _, rule in rules for _, written in values_of(rule) for each in expressions_of(written)]
    fields = {_field(path) for each in expressions for path in sources_of(each)}
    fields |= {_field(name) for _, rule in rules for name in _paths_in(rule.when or {})}
    notes = []
    for location, rule in rules:
        notes += [*_conditions(rule.when or {}, (*location, "when")), *_values(rule, location, fields)]
    for section, function, there in (("tables", "lookup", settings.tables), ("keys", "hmac", keys)):
        used = {name for each in expressions for name in names_in(each, function)}
        notes += [Note((section, name), f"is named by no {function}(...)") for name in there if name not in used]
    return notes


def _values(rule: EventRule | UserRule, location: KeyPath, fields: Collection[str]) -> Iterator[Note]:
    for key, written in values_of(rule):
        here = (*location, *key)
        if found := _BRACES.search(text_around(written)):
            beginning = f"is reported with {found[0]!r} in it"
            yield Note(
                here,
                f"{beginning}: an expression stands between {{{{ and }}}}, and begins with a path such as $.order.no",
            )
        elif key[0] == "attributes" and isinstance(written, str) and _like_a_path(written, fields):
            yield Note(here, f"is the text {written!r} itself: the field is $.{written.lstrip('.')}")


def _conditions(when: Mapping[str, Any], location: KeyPath) -> Iterator[Note]:
    for name, expected in when.items():
        here = (*location, name)
        if name in COMBINED:
            for place, inner in enumerate(expected) if isinstance(expected, list) else [(None, expected)]:
                yield from _conditions(inner, here if place is None else (*here, place))
            continue
        asked = expected if isinstance(expected, Mapping) else {"": expected}
        for operator, argument in asked.items():
            if operator in _ORDERS and _is_number_in_quotes(argument):
                text = f"{operator} {argument!r} compares texts, where '9' comes after '10', and never holds for a number: a bound for numbers has no quotes"
                yield Note(here, text)
            for each in argument if isinstance(argument, list) else [argument]:
                if isinstance(each, str) and _is_a_path(each):
                    yield Note(here, f"compares with the text {each!r} itself: a field is not compared with another")


def _is_a_path(text: str) -> bool:
    """Whether a text is a path, and not a price such as `$5` or the name of a user such as `@anna`."""
    try:
        return text.startswith(("$.", "$item", "@")) and compile_path(text) is not None
    except BadExpression:
        return False


def _is_number_in_quotes(bound: Any) -> bool:
    try:
        return isinstance(bound, str) and number_of(bound) is not None
    except Inconvertible:
        return False


def _paths_in(when: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of a condition."""
    for name, expected in when.items():
        if name in COMBINED:
            for inner in expected if isinstance(expected, list) else [expected]:
                yield from _paths_in(inner)
        else:
            yield name


def _field(path: str) -> str:
    """Return the entry's field that a path begins with; "" where it begins elsewhere."""
    steps = path_of(path)
    return str(steps[1]) if isinstance(steps, tuple) and len(steps) > 1 and steps[0] == "$" else ""


def _like_a_path(written: str, fields: Collection[str]) -> bool:
    """Whether a text is written like a path that begins with a known field: `order.no`, but not `www.example.com`."""
    return _LIKE_A_PATH.fullmatch(written) is not None and re.split(r"[.\[]", written.lstrip("."))[0] in fields
