"""Conditions: data, not code; compiled once to a closure that says yes or no."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.log import LogEntry
from transforms.fault import BadExpression, Fault, Location, MappingFaults
from transforms.fields import Value, compile_path, is_path

Test = Callable[[LogEntry], bool]

OPERATORS = ("ne", "gt", "ge", "lt", "le", "exists", "prefix", "suffix", "contains", "in", "not_in")
COMBINED = ("all", "any", "not")


class Condition(NamedTuple):
    """A compiled condition: `holds` decides; `parts` are its tests one by one, each with its text, for `explain`."""

    holds: Test
    parts: tuple[tuple[str, Test], ...]


def compile_condition(written: Mapping[str, Any] | None, location: Location) -> Condition:
    """Compile a `when`. None always holds.

    Raises:
        MappingFaults: paths or operators are wrong.
    """
    if not written:
        return Condition(lambda _: True, ())
    faults: list[Fault] = []
    parts = _parts(written, location, faults)
    if faults:
        raise MappingFaults(faults)
    return Condition(_all([test for _, test in parts]), tuple(parts))


def _parts(written: Mapping[str, Any], location: Location, faults: list[Fault]) -> list[tuple[str, Test]]:
    parts = []
    for name, expected in written.items():
        here = (*location, name)
        try:
            if name in COMBINED:
                parts.append((name, _combine(name, expected, here, faults)))
            else:
                path = name if is_path(name) else f"$.{name}"
                parts.extend((f"{name} {text}", test) for text, test in _expectation(compile_path(path), expected))
        except BadExpression as bad:
            faults.append(Fault(here, bad.found, bad.expected))
    return parts


def _combine(name: str, written: Any, location: Location, faults: list[Fault]) -> Test:
    if name == "not":
        if not isinstance(written, Mapping):
            raise BadExpression("no mapping under `not`", "conditions such as {type: test}")
        inner = _all([test for _, test in _parts(written, location, faults)])
        return lambda entry: not inner(entry)
    if not isinstance(written, list) or not written or not all(isinstance(each, Mapping) for each in written):
        raise BadExpression(f"no list of conditions under `{name}`", f"{name}: [{{type: a}}, {{type: b}}]")
    tests = [_all([test for _, test in _parts(each, (*location, place), faults)]) for place, each in enumerate(written)]
    return _all(tests) if name == "all" else (lambda entry: any(test(entry) for test in tests))


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    frozen = tuple(tests)

    return lambda entry: all(test(entry) for test in frozen)


def _expectation(value: Value, expected: Any) -> list[tuple[str, Test]]:
    if isinstance(expected, Mapping):
        if not expected:
            raise BadExpression("an empty condition", f"one of {', '.join(OPERATORS)}")
        return [(f"{name} {argument!r}", _operator(value, name, argument)) for name, argument in expected.items()]
    if isinstance(expected, list):
        return [(f"in {expected!r}", _operator(value, "in", expected))]
    return [(f"= {expected!r}", lambda entry: equal(value(entry), expected))]


def equal(found: Any, expected: Any) -> bool:
    """Compare as a person would: 1 and true are different, 1 and 1.0 are not."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    return bool(found == expected)


def _operator(value: Value, name: str, argument: Any) -> Test:
    match name:
        case "ne":
            return lambda entry: not equal(value(entry), argument)
        case "exists" if isinstance(argument, bool):
            return lambda entry: (value(entry) is not None) is argument
        case "in" | "not_in" if isinstance(argument, list):
            wanted = tuple(argument)
            if name == "in":
                return lambda entry: any(equal(found, each) for found in (value(entry),) for each in wanted)
            return lambda entry: not any(equal(found, each) for found in (value(entry),) for each in wanted)
        case "gt" | "ge" | "lt" | "le" if isinstance(argument, int | float | str) and not isinstance(argument, bool):
            return _ordered(value, name, argument)
        case "prefix" | "suffix" | "contains" if isinstance(argument, str):
            return _about_text(value, name, argument)
    if name in OPERATORS:
        raise BadExpression(
            f"{name}: {argument!r}",
            {"exists": "true or false", "in": "a list", "not_in": "a list"}.get(name, "a text or a number"),
        )
    near = difflib.get_close_matches(name, OPERATORS, n=1)
    raise BadExpression(f"unknown comparison {name!r}", f"{near[0]!r}" if near else f"one of {', '.join(OPERATORS)}")


def _ordered(value: Value, name: str, argument: float | str) -> Test:
    """Numbers compare with numbers and texts with texts; anything else does not hold."""
    wants_text = isinstance(argument, str)
    compare: Callable[[Any], bool] = {
        "gt": lambda found: found > argument,
        "ge": lambda found: found >= argument,
        "lt": lambda found: found < argument,
        "le": lambda found: found <= argument,
    }[name]

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        if isinstance(found, bool) or not isinstance(found, str if wants_text else int | float | Decimal):
            return False
        return compare(found)

    return test


def _about_text(value: Value, name: str, argument: str) -> Test:
    about: Callable[[str], bool] = {
        "prefix": lambda text: text.startswith(argument),
        "suffix": lambda text: text.endswith(argument),
        "contains": lambda text: argument in text,
    }[name]

    def test(entry: LogEntry) -> bool:
        found = value(entry)
        return isinstance(found, str) and about(found)

    return test
