"""A condition as a list of lines that must all hold. The checks of this room read it.

The lines of an `all` become lines of the list, and a `not` around one equality becomes its opposite. Any other `not`, and every `any`, stays one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from transforms.fields import is_path, parse_steps

Path = tuple[Any, ...] | str

EQUALITY = {"in": "=", "not_in": "ne"}
"""The two operators that are opposites, and how each is written for one value. A bound has no opposite: for a text neither `gt: 5` nor `le: 5` holds."""

_ELEMENT = ("$item", "$index")


class Constant(NamedTuple):
    """A value that a line compares with, and its type. In Python `1`, `1.0` and `True` are equal; with their types they differ."""

    type: type
    value: Any


class ConditionLine(NamedTuple):
    """One comparison of one path. Equality and presence are written as `in` and `not_in`: an absent value is null.

    A line without a path is an `any` or a `not`; `within` holds the lines of each condition in it.
    """

    path: Path
    operator: str
    constants: tuple[Constant, ...] = ()
    within: tuple[tuple[Any, ...], ...] = ()

    def negated(self) -> ConditionLine:
        """Return the opposite of an `in` or `not_in`."""
        return self._replace(operator="in" if self.operator == "not_in" else "not_in")

    def __str__(self) -> str:
        """Return the line as it is written in a condition: `type in ["a", "b"]`, `n gt 5`."""
        begin, *steps = self.path if isinstance(self.path, tuple) else (self.path,)
        name = "".join(_step(step) for step in steps)
        name = name.removeprefix(".") if begin == "$" else f"{begin}{name}"
        values = [each.value for each in self.constants]
        if len(values) > 1:
            return f"{name} {self.operator} {_json(values)}"
        return f"{name} {EQUALITY.get(self.operator, self.operator)} {_json(values[0])}"


ConditionLines = tuple[ConditionLine, ...]
"""Lines that must all hold."""


def lines_of_condition(when: Mapping[str, Any]) -> ConditionLines:
    """Return the lines of a condition that compiles. The condition holds where all of them do."""
    return tuple(_lines(when))


def path_of(name: str) -> Path:
    """Return the path of a line of a condition in one form, however it is written."""
    if not is_path(name):
        name = f"$.{name}"
    if name.startswith("@"):
        return name
    begun = next((each for each in _ELEMENT if name == each or name.startswith((f"{each}.", f"{each}["))), "$")
    return (begun, *parse_steps(f"${name[len(begun) :]}"))


def _lines(when: Mapping[str, Any]) -> Iterator[ConditionLine]:
    for name, expected in when.items():
        match name:
            case "all":
                for each in expected:
                    yield from _lines(each)
            case "any":
                yield ConditionLine((), name, within=tuple(lines_of_condition(each) for each in expected))
            case "not":
                yield _not(lines_of_condition(expected))
            case _:
                asked = expected if isinstance(expected, Mapping) else {"in": expected}
                for operator, argument in asked.items():
                    yield _line(path_of(name), operator, argument)


def _not(lines: ConditionLines) -> ConditionLine:
    if len(lines) == 1 and lines[0].operator in EQUALITY:
        return lines[0].negated()
    return ConditionLine((), "not", within=(lines,))


def _line(path: Path, operator: str, argument: Any) -> ConditionLine:
    if operator == "exists":
        operator, argument = ("not_in" if argument else "in"), None
    values = argument if isinstance(argument, list) else [argument]
    constants = tuple(Constant(each.__class__, each) for each in values)
    return ConditionLine(path, "not_in" if operator == "ne" else operator, constants)


def _step(step: Any) -> str:
    return f".{step}" if isinstance(step, str) else f"[{step}]" if isinstance(step, int) else str(step.value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
