"""Lines of a condition that can never both hold, and lines that hold wherever others do.

The rules are few. Their answers are true for every entry; where no rule applies, there is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

from transforms.mapping.lint.condition_lines import EQUALITY, ConditionLine, ConditionLines, Constant
from transforms.values.numbers import number_of

_LOWER, _UPPER = ("gt", "ge"), ("lt", "le")


def excluding(lines: Iterable[ConditionLine]) -> tuple[ConditionLine, ConditionLine] | None:
    """Return two lines that can never both hold; None where there are none."""
    return next((pair for pair in combinations(lines, 2) if _exclude(*pair)), None)


def implies(lines: ConditionLines, wanted: ConditionLines) -> bool:
    """Whether all `wanted` lines hold for every entry for which all `lines` hold."""
    return all(_follows(each, lines) for each in wanted)


def _follows(wanted: ConditionLine, lines: ConditionLines) -> bool:
    if wanted in lines:
        return True
    if wanted.operator == "any":
        return any(implies(lines, each) for each in wanted.within)
    if wanted.operator in EQUALITY:
        return any(_exclude(each, wanted.negated()) for each in lines)
    return any(_is_within(each, wanted) for each in lines)


def _exclude(one: ConditionLine, other: ConditionLine) -> bool:
    if not one.path or one.path != other.path:
        return False
    match one.operator, other.operator:
        case "in", "in":
            return all(_differ(mine, each) for mine in one.constants for each in other.constants)
        case "in", "not_in":
            return set(one.constants) <= set(other.constants)
        case ("not_in", "in"):
            return _exclude(other, one)
        case "in", _:
            return _is_absence(one)
        case _, "in":
            return _is_absence(other)
    return _bounds_exclude(one, other)


def _differ(one: Constant, other: Constant) -> bool:
    """Whether no value is equal to both. Between two types only null surely differs: one value may equal 5, 5.0 and "5"."""
    if one.type is not other.type:
        return one.value is None or other.value is None
    return bool(one.value != other.value)


def _is_absence(line: ConditionLine) -> bool:
    """Whether a line requires null, for which no operator but `ne` and `not_in` holds."""
    return all(each.value is None for each in line.constants)


def _bounds_exclude(one: ConditionLine, other: ConditionLine) -> bool:
    low, high = (one, other) if one.operator in _LOWER else (other, one)
    if low.operator not in _LOWER or high.operator not in _UPPER or not _are_of_one_order(low, high):
        return False
    least, most = _bound(low), _bound(high)
    return bool(least > most or (least == most and not (low.operator == "ge" and high.operator == "le")))


def _is_within(one: ConditionLine, wider: ConditionLine) -> bool:
    """Whether every value within `one` is within `wider`, which is a bound on the same side."""
    side = next((each for each in (_LOWER, _UPPER) if one.operator in each and wider.operator in each), None)
    if side is None or one.path != wider.path or not _are_of_one_order(one, wider):
        return False
    mine, theirs = _bound(one), _bound(wider)
    if mine == theirs:
        return wider.operator in {"ge", "le"}
    return bool(mine > theirs) is (side is _LOWER)


def _are_of_one_order(one: ConditionLine, other: ConditionLine) -> bool:
    """Whether two bounds are both numbers or both texts: a number bounds numbers and texts that are numbers, a text bounds only texts."""
    return (one.constants[0].type is str) is (other.constants[0].type is str)


def _bound(line: ConditionLine) -> Any:
    value = line.constants[0].value
    return value if isinstance(value, str) else number_of(value)
