"""The comparisons of a condition with one value: equality, order, presence and parts of a text. Each is compiled to a closure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any

from schemas.log import LogEntry
from transforms.fault import BadExpression, nearest
from transforms.fields import Value
from transforms.mapping.synonyms import COMPARISONS_ELSEWHERE, EQUALITY_ELSEWHERE
from transforms.values.numbers import number_of
from transforms.values.pattern import Pattern, PatternError
from transforms.values.text import Inconvertible, text_or_none

Predicate = Callable[[LogEntry], bool]

OPERATORS = ("ne", "gt", "ge", "lt", "le", "exists", "prefix", "suffix", "contains", "matches", "in", "not_in")

_Number = int | float | Decimal
_NUMBERS = (int, float, Decimal)

_EXACT_BELOW = 2**53
"""A double holds every integer up to here."""

_WANTED = {
    "exists": "true or false",
    "in": "a list of texts and numbers",
    "not_in": "a list of texts and numbers",
    "prefix": "a text",
    "suffix": "a text",
    "matches": "a pattern in quotes",
    "ne": "a text, a number, true, false or null",
}


def equal(found: Any, expected: Any) -> bool:
    """Whether two values are equal to a person: 200 and "200" are equal, since many log formats know only texts; 1 and true are not.

    A number or boolean equals the text that its attribute would have.
    """
    if found.__class__ is expected.__class__:
        return bool(found == expected)
    if isinstance(found, str) or isinstance(expected, str):
        text, other = (found, expected) if isinstance(found, str) else (expected, found)
        return isinstance(other, _NUMBERS) and text_or_none(other) == text
    if isinstance(found, bool) or isinstance(expected, bool):
        return False
    if isinstance(found, Decimal) and not found.is_finite():
        return False
    return bool(found == expected)


def equality(value: Value, expected: Any) -> Predicate:
    """Return the predicate for one expected value."""
    _check_expected("=", expected)
    if not isinstance(expected, str):
        return lambda entry: equal(value(entry), expected)

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        return found == expected if found.__class__ is str else equal(found, expected)

    return test


def one_of(value: Value, expected: list[Any]) -> Predicate:
    """Return the predicate for any of several expected values."""
    if not expected:
        raise BadExpression("an empty list, which contains no value", "at least one text or number")
    for each in expected:
        _check_expected("in", each)
    texts = frozenset(each for each in expected if isinstance(each, str))
    others = tuple(each for each in expected if not isinstance(each, str))

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        if found.__class__ is str:
            return found in texts or (bool(others) and any(equal(found, each) for each in others))
        return any(equal(found, each) for each in expected)

    return test


def comparison(value: Value, name: str, argument: Any) -> Predicate:
    """Return the predicate for one of `OPERATORS`.

    Raises:
        BadExpression: there is no such operator, or its argument is of a wrong type.
    """
    match name:
        case "ne" | "not_in" if isinstance(argument, list):
            return _negated(one_of(value, argument))
        case "ne":
            _check_expected(name, argument)
            return _negated(equality(value, argument))
        case "exists" if isinstance(argument, bool):
            return lambda entry: (value(entry) is not None) is argument
        case "in" if isinstance(argument, list):
            return one_of(value, argument)
        case "gt" | "ge" | "lt" | "le" if isinstance(argument, str):
            return _ordered_texts(value, name, argument)
        case "gt" | "ge" | "lt" | "le" if isinstance(argument, int | float) and not isinstance(argument, bool):
            return _ordered_numbers(value, name, argument)
        case "prefix" | "suffix" if isinstance(argument, str):
            return _at_an_end(value, name, argument)
        case "contains" if isinstance(argument, str | int):
            return _containing(value, argument)
        case "matches" if isinstance(argument, str):
            return _matching(value, argument)
    if name in OPERATORS:
        raise BadExpression(f"{name}: {argument!r}", _WANTED.get(name, "a text or a number"))
    raise BadExpression(f"unknown comparison {name!r}", _right_comparison(name))


def _right_comparison(name: str) -> str:
    """Return the comparison that is probably meant, or the way to write it without one."""
    if name in EQUALITY_ELSEWHERE:
        return "the value alone, such as type: paid"
    if name in COMPARISONS_ELSEWHERE:
        return repr(COMPARISONS_ELSEWHERE[name])
    otherwise = f"one of {', '.join(OPERATORS)}; a field of an object is named by its path, such as order.type"
    return nearest(name, OPERATORS, otherwise)


def _check_expected(name: str, expected: Any) -> None:
    if expected is not None and not isinstance(expected, str | int | float):
        raise BadExpression(f"{name}: {expected!r}", _WANTED["ne"])
    if isinstance(expected, float) and not isfinite(expected):
        raise BadExpression(f"{name}: {expected!r}", "a number")


def _negated(test: Predicate) -> Predicate:
    return lambda entry: not test(entry)


def _ordered_texts(value: Value, name: str, bound: str) -> Predicate:
    """Texts are compared by code points, which puts ISO times in order. For any other value the predicate is false."""
    compare: Callable[[str], bool] = {
        "gt": lambda found: found > bound,
        "ge": lambda found: found >= bound,
        "lt": lambda found: found < bound,
        "le": lambda found: found <= bound,
    }[name]

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        return isinstance(found, str) and compare(found)

    return test


def _ordered_numbers(value: Value, name: str, argument: float) -> Predicate:
    """Numbers, and texts that are numbers, are compared exactly. For any other value the predicate is false."""
    if not isfinite(argument):
        raise BadExpression(f"{name}: {argument!r}", "a number")
    bound = number_of(argument)
    compare: Callable[[Any, Any], bool] = {"gt": gt, "ge": ge, "lt": lt, "le": le}[name]
    # Below 2**53 a double and its decimal text have the same order with every other number, so plain numbers are compared as they are.
    is_plain = abs(argument) < _EXACT_BELOW

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        if is_plain and (found.__class__ is int or (found.__class__ is float and isfinite(found))):
            return compare(found, argument)
        try:
            return found is not None and compare(number_of(found), bound)
        except Inconvertible:
            return False

    return test


def _at_an_end(value: Value, name: str, argument: str) -> Predicate:
    is_at_end: Callable[[str], bool] = {
        "prefix": lambda text: text.startswith(argument),
        "suffix": lambda text: text.endswith(argument),
    }[name]

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        return isinstance(found, str) and is_at_end(found)

    return test


def _matching(value: Value, argument: str) -> Predicate:
    """Return the predicate for a text, or a number as it is written, of which some part matches."""
    try:
        pattern = Pattern(argument, whole=False)
    except PatternError as error:
        raise BadExpression(f"matches: {argument!r}", f"a pattern of RE2 ({error})") from None

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        if isinstance(found, bool) or not isinstance(found, str | _Number):
            return False
        return pattern.holds(found if isinstance(found, str) else text_or_none(found) or "")

    return test


def _containing(value: Value, argument: str | int) -> Predicate:
    """Return the predicate for a text that contains the argument, or a list that has it as an element."""

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        if isinstance(found, str):
            return isinstance(argument, str) and argument in found
        return isinstance(found, list) and any(equal(each, argument) for each in found)

    return test
