"""A condition as a formula of logic: what can be said of it without an entry.

`any`, `all` and `not` become alternatives of literals; a literal asks one thing of one path. A formula says exactly what `transforms.mapping.conditions`
compiles, which a property test holds it to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from transforms.fields import is_path, parse_steps
from transforms.mapping.conditions import COMBINED

MOST_ALTERNATIVES = 500
"""A condition that falls into more is not looked through: nothing is said of it."""

Path = tuple[Any, ...] | str

NOTHING_THERE = (None,)

_ELEMENT = ("$item", "$index")


class Literal(NamedTuple):
    """One question about one path. `values` are those of which it is (or with `holds` false is not) one; without them `operator` and `argument` ask.

    Presence is a question of values too: what is not there is null.
    """

    path: Path
    holds: bool
    values: tuple[Any, ...] | None = None
    operator: str = ""
    argument: Any = None

    def negated(self) -> Literal:
        """Return the question whose answer is always the other."""
        return self._replace(holds=not self.holds)

    def __str__(self) -> str:
        """Write it as a line of a condition: `type in ["a", "b"]`, `n not gt 5`."""
        begin, *steps = self.path if isinstance(self.path, tuple) else (self.path,)
        name = "".join(_step(step) for step in steps)
        name = name.removeprefix(".") if begin == "$" else f"{begin}{name}"
        if self.values is None:
            return f"{name} {'' if self.holds else 'not '}{self.operator} {_json(self.argument)}"
        if len(self.values) == 1:
            return f"{name} {'=' if self.holds else 'ne'} {_json(self.values[0])}"
        return f"{name} {'in' if self.holds else 'not_in'} {_json(self.values)}"


Alternative = tuple[Literal, ...]
"""Literals that all hold."""

Formula = tuple[Alternative, ...]
"""Alternatives of which one holds. `((),)` always holds, `()` never."""


class TooManyAlternatives(Exception):
    """The condition falls into more alternatives than anybody wants to look through."""


def formula_of(when: Mapping[str, Any] | None) -> Formula:
    """Return the formula of a condition that compiles.

    Raises:
        TooManyAlternatives: it has more than `MOST_ALTERNATIVES`.
    """
    return _conditions(when or {}, holds=True)


def either(formulas: Iterable[Formula]) -> Formula:
    """Return the formula that holds where one of several does."""
    return tuple(alternative for formula in formulas for alternative in formula)


def together(formulas: Sequence[Formula]) -> Formula:
    """Return the formula that holds where all of several do. Raises as `formula_of` does."""
    return _joined(formulas, every=True)


def path_of(name: str) -> Path:
    """Return the path that a line of a condition is about, the same for every way to write it."""
    if not is_path(name):
        name = f"$.{name}"
    if name.startswith("@"):
        return name
    begun = next((each for each in _ELEMENT if name == each or name.startswith((f"{each}.", f"{each}["))), "$")
    return (begun, *parse_steps(f"${name[len(begun) :]}"))


def _step(step: Any) -> str:
    return f".{step}" if isinstance(step, str) else f"[{step}]" if isinstance(step, int) else str(step.value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _conditions(when: Mapping[str, Any], *, holds: bool) -> Formula:
    """All lines hold; or with `holds` false, not all."""
    return _joined([_line(name, expected, holds=holds) for name, expected in when.items()], every=holds)


def _line(name: str, expected: Any, *, holds: bool) -> Formula:
    if name == "not":
        return _conditions(expected, holds=not holds)
    if name in COMBINED:
        return _joined([_conditions(each, holds=holds) for each in expected], every=(name == "all") is holds)
    literals = _literals(path_of(name), expected)
    return _joined([((literal if holds else literal.negated(),),) for literal in literals], every=holds)


def _literals(path: Path, expected: Any) -> list[Literal]:
    if isinstance(expected, list):
        return [Literal(path, holds=True, values=tuple(expected))]
    if not isinstance(expected, Mapping):
        return [Literal(path, holds=True, values=(expected,))]
    return [_comparison(path, operator, argument) for operator, argument in expected.items()]


def _comparison(path: Path, operator: str, argument: Any) -> Literal:
    match operator:
        case "in":
            return Literal(path, holds=True, values=tuple(argument))
        case "ne" | "not_in":
            return Literal(path, holds=False, values=tuple(argument) if isinstance(argument, list) else (argument,))
        case "exists":
            return Literal(path, holds=not argument, values=NOTHING_THERE)
    return Literal(path, holds=True, operator=operator, argument=argument)


def _joined(parts: Sequence[Formula], *, every: bool) -> Formula:
    """Join by `and` (`every`) or `or`."""
    if (prod if every else sum)(map(len, parts)) > MOST_ALTERNATIVES:
        raise TooManyAlternatives
    if not every:
        return either(parts)
    return tuple(tuple(literal for alternative in chosen for literal in alternative) for chosen in product(*parts))
