"""Which questions about one path exclude each other, and so which condition implies which.

Sound, not complete: what is said is so for every entry; what is not seen is not said.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from schemas.log import LogEntry, RawRecord
from transforms.fault import BadExpression
from transforms.mapping.comparisons import comparison, equal
from transforms.mapping.lint.formula import Alternative, Formula, Literal
from transforms.values.numbers import MOST_DIGITS, number_of
from transforms.values.text import Inconvertible, text_or_none

_EXACT_BELOW = 2**53
"""Below this a number and its text name each other, whichever type it was decoded to."""

_BOUNDS = {"gt": (1, False), "ge": (1, True), "lt": (-1, False), "le": (-1, True)}
"""Of each order: on which side of its bound it holds, and whether at the bound itself."""

_NO_ENTRY = LogEntry({}, RawRecord("", 0, 0, -1, None, None))


def excluding(alternative: Alternative) -> tuple[Literal, Literal] | None:
    """Return two literals that can never both hold, if there are such."""
    return next((pair for pair in combinations(alternative, 2) if _excludes(*pair)), None)


def possible(formula: Formula) -> Formula:
    """Return the alternatives that are not seen to be impossible."""
    return tuple(alternative for alternative in formula if excluding(alternative) is None)


def implies(one: Formula, other: Formula) -> bool:
    """Whether, wherever `one` holds, `other` does."""
    return all(_alternative_implies(alternative, other) for alternative in possible(one))


def _alternative_implies(alternative: Alternative, other: Formula) -> bool:
    """One of several values is looked at value by value: each may be covered by another alternative."""
    if any(_covers(wanted, alternative) for wanted in other):
        return True
    return any(
        all(
            any(_covers(wanted, (*alternative[:place], literal._replace(values=(value,)), *alternative[place + 1 :])) for wanted in other)
            for value in literal.values
        )
        for place, literal in enumerate(alternative)
        if literal.holds and literal.values is not None and len(literal.values) > 1
    )  # fmt: skip


def _covers(wanted: Alternative, given: Alternative) -> bool:
    return all(any(_excludes(each, literal.negated()) for each in given) for literal in wanted)


def _excludes(one: Literal, other: Literal) -> bool:
    """Whether no value can answer both as asked."""
    if one.path != other.path:
        return False
    if one._replace(holds=True) == other._replace(holds=True) and _same_values(one, other):
        return one.holds is not other.holds
    if one.values is None and other.values is not None:
        one, other = other, one
    if one.values is None:
        return _orders_exclude(one, other)
    if other.values is None:
        return one.holds and all(_answers(value, other) is False for value in one.values)
    if one.holds and other.holds:
        return all(_differ(value, each) for value in one.values for each in other.values)
    if one.holds is other.holds:
        return False
    one, other = (one, other) if one.holds else (other, one)
    return all(any(_same(value, each) for each in other.values or ()) for value in one.values or ())


def _same_values(one: Literal, other: Literal) -> bool:
    """`1` and `True` are equal to Python, and two different values here."""
    pairs = zip((*(one.values or ()), one.argument), (*(other.values or ()), other.argument), strict=True)
    return all(_same(value, each) for value, each in pairs)


def _same(one: Any, other: Any) -> bool:
    return one.__class__ is other.__class__ and one == other


def _differ(one: Any, other: Any) -> bool:
    """Whether no value found can be equal to both."""
    ones, others = _found_as(one), _found_as(other)
    if ones is None or others is None:
        return False
    return not any(equal(value, other) for value in ones) and not any(equal(value, one) for value in others)


def _answers(value: Any, literal: Literal) -> bool | None:
    """How a comparison answers for whatever is equal to a value; None where that is not the same for all."""
    found = _found_as(value)
    if found is None:
        return None
    try:
        answers = {_holds(each, literal) is literal.holds for each in found}
    except BadExpression:  # never of a condition that compiles
        return None
    return answers.pop() if len(answers) == 1 else None


def _holds(value: Any, literal: Literal) -> bool:
    return comparison(lambda _: value, literal.operator, literal.argument)(_NO_ENTRY)


def _found_as(expected: Any) -> Sequence[Any] | None:
    """Return what may be found where this value is expected, one of each kind that a comparison may tell apart; None where that is not sure.

    A text that is written like a number may be found as that number, and a number as its text (`comparisons.equal`).
    """
    if expected is None:
        return (None,)
    if isinstance(expected, bool):
        return expected, text_or_none(expected)
    if isinstance(expected, int | float):
        exact = abs(expected) < _EXACT_BELOW and number_of(expected) == expected
        return (expected, text_or_none(expected)) if exact else None
    if len(expected) > MOST_DIGITS:
        return None
    if expected in {"true", "false"}:
        return expected, expected == "true"
    try:
        number = number_of(expected)
    except Inconvertible:
        return (expected,)
    return (expected, number) if text_or_none(number) == expected else (expected,)


def _orders_exclude(one: Literal, other: Literal) -> bool:
    """Whether two comparisons exclude each other. Two negated ones never do: a value that neither is about answers no to both."""
    if one.holds and other.holds:
        return _both_exclude(one, other)
    if one.holds is other.holds:
        return False
    given, denied = (one, other) if one.holds else (other, one)
    return _entails(given, denied)


def _both_exclude(one: Literal, other: Literal) -> bool:
    mine, theirs = one.argument, other.argument
    if one.operator in _BOUNDS and other.operator in _BOUNDS and _comparable(mine, theirs):
        (side, at), (other_side, other_at) = _BOUNDS[one.operator], _BOUNDS[other.operator]
        if side == other_side:
            return False
        low, high = (mine, theirs) if side > 0 else (theirs, mine)
        return bool(_number(low) > _number(high) or (_number(low) == _number(high) and not (at and other_at)))
    if one.operator == other.operator == "prefix":
        return not (mine.startswith(theirs) or theirs.startswith(mine))
    if one.operator == other.operator == "suffix":
        return not (mine.endswith(theirs) or theirs.endswith(mine))
    return False


def _entails(given: Literal, wanted: Literal) -> bool:
    """Whether what answers yes to `given` answers yes to `wanted`."""
    mine, theirs = given.argument, wanted.argument
    if given.operator in _BOUNDS and wanted.operator in _BOUNDS and _comparable(mine, theirs):
        (side, at), (wanted_side, wanted_at) = _BOUNDS[given.operator], _BOUNDS[wanted.operator]
        if side != wanted_side:
            return False
        bound, other = _number(mine), _number(theirs)
        return bool(bound == other and (wanted_at or not at)) or bool(bound > other if side > 0 else bound < other)
    match given.operator, wanted.operator:
        case "prefix", "prefix":
            return bool(mine.startswith(theirs))
        case "suffix", "suffix":
            return bool(mine.endswith(theirs))
        case (("prefix" | "suffix"), "contains"):
            return isinstance(theirs, str) and theirs in mine
    return False


def _comparable(one: Any, other: Any) -> bool:
    return isinstance(one, str) is isinstance(other, str)


def _number(bound: Any) -> Any:
    return bound if isinstance(bound, str) else number_of(bound)
