"""Paths into a log entry: `$.order.items[0].title` in its fields, `@topic` and the like in where it came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from schemas.log import LogEntry
from transforms.fault import BadExpression

Value = Callable[[LogEntry], Any]
"""What a path, a constant or a pipe compiles to: the value it has in an entry, None where there is none. Raises `Inconvertible` only."""

_STEP = re.compile(r"\.([^.\[\]\s|'\"]+)|\[(-?\d{1,6})\]|\['([^'\]]+)'\]|\[\"([^\"\]]+)\"\]")
_HEADER = "@headers."
MOST_PATH_CHARACTERS = 500


class Inconvertible(Exception):
    """A function cannot work on the value it was given. Caught by the mapping; says which function and why, never the value."""


def _header(name: str) -> Value:
    def value(entry: LogEntry) -> Any:
        for key, content in entry.record.headers or ():
            if key == name:
                return None if content is None else content.decode("utf-8", "replace")
        return None

    return value


def _key(entry: LogEntry) -> Any:
    key = entry.record.key
    return None if key is None else key.decode("utf-8", "replace")


PLACES: Mapping[str, Value] = MappingProxyType(
    {
        "@topic": lambda entry: entry.record.topic,
        "@partition": lambda entry: entry.record.partition,
        "@offset": lambda entry: entry.record.offset,
        "@timestamp": lambda entry: entry.record.timestamp if entry.record.timestamp >= 0 else None,
        "@key": _key,
    }
)
"""Where a record came from. `@timestamp` is Kafka's, in Unix ms; `@headers.NAME` is a header's text."""


def is_path(text: str) -> bool:
    """Whether a text is meant as a path: it begins with `$` or `@`."""
    return text.startswith(("$", "@"))


def compile_path(text: str) -> Value:
    """Compile a path.

    Raises:
        BadExpression: it is none.
    """
    if text.startswith("@"):
        if text in PLACES:
            return PLACES[text]
        if text.startswith(_HEADER) and len(text) > len(_HEADER):
            return _header(text[len(_HEADER) :])
        raise BadExpression(f"{text!r}", f"one of {', '.join(PLACES)} or @headers.NAME")
    return _compile_steps(parse_steps(text))


def parse_steps(text: str) -> tuple[str | int, ...]:
    """Split `$.a['b c'][0]` into its steps.

    Raises:
        BadExpression: it is no path.
    """
    if len(text) > MOST_PATH_CHARACTERS:
        raise BadExpression("a path of more than 500 characters", "a shorter one")
    steps: list[str | int] = []
    position = 1
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise BadExpression(
                f"{text!r}, which is no path at {text[position : position + 12]!r}",
                "a path such as $.order.items[0].title",
            )
        name, index, single, double = found.groups()
        steps.append(int(index) if index is not None else (name or single or double))
        position = found.end()
    return tuple(steps)


def _compile_steps(steps: tuple[str | int, ...]) -> Value:
    """Make a closure of the path's own depth: most are one or two names deep, and those are called for every event."""
    match steps:
        case ():
            return lambda entry: entry.fields
        case (str() as first,):
            return lambda entry: entry.fields.get(first)
        case (str() as first, str() as second):

            def two(entry: LogEntry) -> Any:
                inner = entry.fields.get(first)
                return inner.get(second) if inner.__class__ is dict else None

            return two
        case (str() as first, str() as second, str() as third):

            def three(entry: LogEntry) -> Any:
                inner = entry.fields.get(first)
                if inner.__class__ is not dict:
                    return None
                inner = inner.get(second)
                return inner.get(third) if inner.__class__ is dict else None

            return three

    def walk(entry: LogEntry) -> Any:
        value: Any = entry.fields
        for step in steps:
            if step.__class__ is str:
                if value.__class__ is not dict:
                    return None
                value = value.get(step)
            else:
                if value.__class__ is not list:
                    return None
                try:
                    value = value[step]  # type: ignore[index]  # the step is an integer here
                except IndexError:
                    return None
        return value

    return walk
