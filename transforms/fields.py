"""Paths into a log entry: `$.order.items[0].title` in its fields, `$item.sku` in an element of a rule's `for_each`, `@topic` in its record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from schemas.log import LogEntry
from transforms.fault import BadExpression, nearest

Value = Callable[[LogEntry], Any]
"""A compiled path, constant or expression: a function that returns its value in an entry, None where there is none. It raises `Inconvertible` only."""

_STEP = re.compile(r"\.([^.\[\]\s|'\"]+)|\[(-?\d{1,6}|\*)\]|\['([^'\]]+)'\]|\[\"([^\"\]]+)\"\]", re.ASCII)
_ELEMENT = re.compile(r"\$(?:item|index)(?=[.\[]|\Z)")
_HEADER = "@headers."


class Every(Enum):
    """The step `[*]`: every element of a list."""

    EVERY = "[*]"


EVERY: Final = Every.EVERY
PathStep = str | int | Every

MOST_PATH_CHARACTERS = 500


def _header(name: str) -> Value:
    def value(entry: LogEntry) -> Any:
        for key, content in entry.record.headers or ():
            if key == name:
                return _as_text(content)
        return None

    return value


def _as_text(content: bytes | None) -> str | None:
    r"""Return bytes as text. Bytes that are no UTF-8 are written as `\xff`, so two different keys never become one text."""
    return None if content is None else content.decode("utf-8", "backslashreplace")


PLACES: Mapping[str, Value] = MappingProxyType(
    {
        "@topic": lambda entry: entry.record.topic,
        "@partition": lambda entry: entry.record.partition,
        "@offset": lambda entry: entry.record.offset,
        "@timestamp": lambda entry: entry.record.timestamp if entry.record.timestamp >= 0 else None,
        "@key": lambda entry: _as_text(entry.record.key),
        "@entry": lambda entry: entry.place,
    }
)
"""The paths to where an entry came from. `@timestamp` is Kafka's, in Unix ms; `@entry` is the entry's number in its record, from 0."""


def is_path(text: str) -> bool:
    """Whether a text is meant as a path: it begins with one `$` or `@`, not two."""
    return text.startswith(("$", "@")) and not text.startswith(("$$", "@@"))


def compile_path(text: str) -> Value:
    """Compile a path; beside those in `PLACES` there is `@headers.NAME`, the text of a header.

    Raises:
        BadExpression: the text is no path.
    """
    if text.startswith("@"):
        if text in PLACES:
            return PLACES[text]
        if text.startswith(_HEADER) and len(text) > len(_HEADER):
            return _header(text[len(_HEADER) :])
        raise BadExpression(f"{text!r}", nearest(text, PLACES, f"one of {', '.join(PLACES)} or @headers.NAME"))
    found = _ELEMENT.match(text)
    if found is None:
        return _compile_steps(parse_steps(text))
    if found[0] == "$index":
        if text != "$index":
            raise BadExpression(f"{text!r}", "$index alone, which is a number")
        return lambda entry: getattr(entry, "index", None)
    steps = parse_steps(f"${text[found.end() :]}")
    if EVERY in steps:
        raise BadExpression(f"{text!r}, with every element within an element", "a rule with for_each over them")
    return lambda entry: walk(getattr(entry, "item", None), steps)


def parse_steps(text: str) -> tuple[PathStep, ...]:
    """Split `$.a['b c'][0]` into its steps; `[*]` is `EVERY`.

    Raises:
        BadExpression: the text is no path.
    """
    if len(text) > MOST_PATH_CHARACTERS:
        raise BadExpression("a path of more than 500 characters", "a shorter one")
    steps: list[PathStep] = []
    position = 1
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise BadExpression(
                f"{text!r}, which is no path at {text[position : position + 12]!r}",
                "a path such as $.order.items[0].title",
            )
        name, index, single, double = found.groups()
        steps.append((EVERY if index == "*" else int(index)) if index is not None else (name or single or double))
        position = found.end()
    return tuple(steps)


def _compile_steps(steps: tuple[PathStep, ...]) -> Value:
    """Return a closure for the shape of the path. Most paths have one to three names, and such paths are read for every event.

    A decoder makes plain dicts, so that class is compared first, which is fast. Any other mapping is accepted too.
    """
    if EVERY in steps:
        return _every(steps)
    match steps:
        case ():
            return lambda entry: entry.fields
        case (str() as first,):
            return lambda entry: entry.fields.get(first)
        case (str() as first, str() as second):
            return _two_names(first, second)
        case (str() as first, str() as second, str() as third):
            return _three_names(first, second, third)
        case (str() as first, str() as second, int() as index, str() as name):
            return _name_of_an_element(first, second, index, name)
        case (*before, int() as index, str() as name) if before:
            return _named(_element(_compile_steps(tuple(before)), index), name)
        case (*before, str() as name) if before:
            return _named(_compile_steps(tuple(before)), name)
        case (*before, int() as index):
            return _element(_compile_steps(tuple(before)), index)
    raise AssertionError(steps)  # the cases above cover every path


def _two_names(first: str, second: str) -> Value:
    def value(entry: LogEntry) -> Any:
        inner = entry.fields.get(first)
        return inner.get(second) if inner.__class__ is dict or isinstance(inner, Mapping) else None

    return value


def _three_names(first: str, second: str, third: str) -> Value:
    def value(entry: LogEntry) -> Any:
        inner = entry.fields.get(first)
        if inner.__class__ is dict or isinstance(inner, Mapping):
            inner = inner.get(second)
            if inner.__class__ is dict or isinstance(inner, Mapping):
                return inner.get(third)
        return None

    return value


def _name_of_an_element(first: str, second: str, index: int, name: str) -> Value:
    """`$.order.items[0].title`."""

    def value(entry: LogEntry) -> Any:
        inner = entry.fields.get(first)
        if inner.__class__ is dict or isinstance(inner, Mapping):
            inner = inner.get(second)
            if isinstance(inner, list) and -len(inner) <= index < len(inner):
                inner = inner[index]
                if inner.__class__ is dict or isinstance(inner, Mapping):
                    return inner.get(name)
        return None

    return value


def _every(steps: tuple[PathStep, ...]) -> Value:
    """`$.items[*].sku`: the values that the rest of the path has in each element of the list, as one flat list; None where there is no list."""
    first = steps.index(EVERY)
    list_of = _compile_steps(steps[:first])
    rest = steps[first + 1 :]

    def every(entry: LogEntry) -> Any:
        found = list_of(entry)
        return _collected(found, rest) if isinstance(found, list) else None

    return every


def _collected(elements: list[Any], rest: tuple[PathStep, ...]) -> list[Any]:
    for place, step in enumerate(rest):
        if step is EVERY:
            inner = [value for each in elements if isinstance(value := walk(each, rest[:place]), list)]
            return _collected([each for one in inner for each in one], rest[place + 1 :])
    return [value for each in elements if (value := walk(each, rest)) is not None]


def walk(value: Any, steps: Sequence[PathStep]) -> Any:
    """Return the value that steps without `EVERY` lead to; None where they lead nowhere."""
    for step in steps:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        elif isinstance(step, int):
            inside = isinstance(value, list) and -len(value) <= step < len(value)
            value = value[step] if inside else None
    return value


def _named(value: Value, name: str) -> Value:
    def named(entry: LogEntry) -> Any:
        inner = value(entry)
        return inner.get(name) if inner.__class__ is dict or isinstance(inner, Mapping) else None

    return named


def _element(value: Value, index: int) -> Value:
    least = index + 1 if index >= 0 else -index

    def element(entry: LogEntry) -> Any:
        inner = value(entry)
        return inner[index] if isinstance(inner, list) and len(inner) >= least else None

    return element
