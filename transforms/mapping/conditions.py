"""Conditions are data, not code. Each is compiled once to a closure that returns true or false. The closures never raise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.log import LogEntry
from transforms.fault import BadExpression, KeyPath, MappingFault, MappingFaults
from transforms.fields import Value, compile_path, is_path
from transforms.mapping.comparisons import OPERATORS, Predicate, comparison, equal, equality, one_of

__all__ = ["COMBINED", "OPERATORS", "Condition", "Part", "Predicate", "compile_condition", "equal"]

COMBINED = ("all", "any", "not")

_MOST_SHOWN = 100


class Part(NamedTuple):
    """One line of a condition, for `explain`: its text, its test, and the `value` that it compares.

    A `combined` line (`all`, `any`, `not`) compares no value; it has conditions `within`.
    """

    text: str
    test: Predicate
    value: Value | None = None
    combined: str = ""
    within: tuple[tuple[Part, ...], ...] = ()


class Condition(NamedTuple):
    """A compiled condition: `holds` decides; `parts` are its lines one by one.

    `texts` maps a path to the texts of which it must have one. A mapping of many rules uses them to skip rules that cannot match.
    """

    holds: Predicate
    parts: tuple[Part, ...] = ()
    texts: Mapping[str, frozenset[str]] = MappingProxyType({})


def compile_condition(written: Mapping[str, Any] | None, location: KeyPath) -> Condition:
    """Compile a `when`. None always holds.

    Raises:
        MappingFaults: paths or operators are wrong.
    """
    if not written:
        return Condition(lambda _: True)
    faults: list[MappingFault] = []
    parts = _parts(written, location, faults)
    if faults:
        raise MappingFaults(faults)
    texts = {
        _full_path(name): wanted
        for name, expected in written.items()
        if name not in COMBINED and (wanted := _only_texts(expected))
    }
    return Condition(_all_hold(parts), tuple(parts), texts)


def _full_path(name: str) -> str:
    return name if is_path(name) else f"$.{name}"


def _compile_name(name: str) -> Value:
    try:
        return compile_path(_full_path(name))
    except BadExpression as bad:
        expected = "a path alone: conditions know no functions" if "|" in name else bad.expected
        raise BadExpression(bad.found, expected) from None


def _only_texts(expected: Any) -> frozenset[str]:
    """Return the texts of which the value must be one; none where another value would match too."""
    wanted = [expected] if isinstance(expected, str) else expected
    if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
        return frozenset()
    return frozenset(wanted)


def _parts(written: Mapping[str, Any], location: KeyPath, faults: list[MappingFault]) -> list[Part]:
    parts: list[Part] = []
    for name, expected in written.items():
        here = (*location, name)
        try:
            if name in COMBINED:
                parts.append(_combine(name, expected, here, faults))
            else:
                parts += _expectation(name, _compile_name(name), expected, here, faults)
        except BadExpression as bad:
            faults.append(MappingFault(here, bad.found, bad.expected))
    return parts


def _expectation(name: str, value: Value, expected: Any, location: KeyPath, faults: list[MappingFault]) -> list[Part]:
    if isinstance(expected, list):
        return [Part(_shown(f"{name} in", expected), one_of(value, expected), value)]
    if not isinstance(expected, Mapping):
        return [Part(_shown(f"{name} =", expected), equality(value, expected), value)]
    if not expected:
        raise BadExpression("an empty condition", f"one of {', '.join(OPERATORS)}")
    parts = []
    for operator, argument in expected.items():
        try:
            parts.append(Part(_shown(f"{name} {operator}", argument), comparison(value, operator, argument), value))
        except BadExpression as bad:
            faults.append(MappingFault(location, bad.found, bad.expected))
    return parts


def _shown(before: str, expected: Any) -> str:
    text = f"{before} {json.dumps(expected, ensure_ascii=False, default=str)}"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _combine(name: str, written: Any, location: KeyPath, faults: list[MappingFault]) -> Part:
    if name == "not":
        if not isinstance(written, Mapping) or not written:
            raise BadExpression("no mapping under `not`", "conditions such as {type: test}")
        parts = tuple(_parts(written, location, faults))
        inner = _all_hold(parts)
        return Part(name, lambda entry: not inner(entry), combined=name, within=(parts,))
    if not isinstance(written, list) or not written or not all(isinstance(each, Mapping) and each for each in written):
        raise BadExpression(f"no list of conditions under `{name}`", f"{name}: [{{type: a}}, {{type: b}}]")
    within = tuple(tuple(_parts(each, (*location, place), faults)) for place, each in enumerate(written))
    tests = [_all_hold(parts) for parts in within]
    return Part(name, _all(tests) if name == "all" else _any(tests), combined=name, within=within)


def _all_hold(parts: Sequence[Part]) -> Predicate:
    return _all([part.test for part in parts])


def _all(tests: list[Predicate]) -> Predicate:
    if len(tests) == 1:
        return tests[0]
    frozen = tuple(tests)

    def every(entry: LogEntry) -> bool:
        for test in frozen:  # noqa: SIM110 - a generator for all() costs more than the tests
            if not test(entry):
                return False
        return True

    return every


def _any(tests: list[Predicate]) -> Predicate:
    frozen = tuple(tests)

    def some(entry: LogEntry) -> bool:
        for test in frozen:  # noqa: SIM110 - a generator for any() costs more than the tests
            if test(entry):
                return True
        return False

    return some
