"""The result of a rule for an entry with its reasons, for `explain`: what was expected and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from schemas.log import LogEntry
from schemas.refusal import Refusal, Stage
from transforms.base import Message
from transforms.mapping.conditions import Part
from transforms.mapping.elements import elements_of
from transforms.mapping.readers import Rejected
from transforms.mapping.rule import Rule
from transforms.values.text import Inconvertible


class LineResult(NamedTuple):
    """The result of one line of a condition: its text and the value found; of `all`, `any` and `not` the results `within` that decided.

    `holds` says whether the line itself holds. Within a `not` the lines that hold decide.
    """

    text: str
    holds: bool
    found: Any = None
    within: tuple[LineResult, ...] = ()


class ElementTrace(NamedTuple):
    """An element of a `for_each` that was left out: its place, from 0, and the lines that did not hold for it."""

    place: int
    unmet: tuple[LineResult, ...]


class RuleTrace(NamedTuple):
    """The result of one rule for an entry.

    `unmet` are the lines that did not hold. `not_asked` names the earlier rule that matched, where only the first rule may. With `for_each`,
    `elements` is the number of elements (None: there was no list), and `left_out` are the elements for which the condition did not hold.
    """

    rule: str
    matched: bool
    unmet: tuple[LineResult, ...] = ()
    not_asked: str = ""
    messages: tuple[Message, ...] = ()
    refusal: Refusal | None = None
    for_each: bool = False
    elements: int | None = None
    left_out: tuple[ElementTrace, ...] = ()


def trace_rule(rule: Rule, entry: LogEntry) -> RuleTrace:
    """Run a rule as the mapping does, and return its result with the reasons."""
    if failed := unmet(rule.condition.parts, entry):
        return RuleTrace(rule.name, matched=False, unmet=failed)
    trace = RuleTrace(rule.name, matched=True, for_each=rule.elements is not None)
    if rule.elements is not None:
        with suppress(Rejected, Inconvertible):  # `make` raises it again below
            elements = rule.elements(entry)
            parts = rule.of_element.parts
            seen = [(each.index, unmet(parts, each)) for each in elements_of(entry, rule.elements)]
            left_out = tuple(ElementTrace(index, failed) for index, failed in seen if failed)
            trace = trace._replace(elements=None if elements is None else len(seen), left_out=left_out)
    try:
        result = rule.make(entry)
    except Rejected as rejected:
        return trace._replace(refusal=Refusal(Stage.TRANSFORM, rejected.code, f"{rule.name}: {rejected.reason}"))
    wires = result if isinstance(result, list) else [] if result is None else [result]
    return trace._replace(messages=tuple(Message(rule.kind, wire, rule.name) for wire in wires))


def unmet(parts: Sequence[Part], entry: LogEntry) -> tuple[LineResult, ...]:
    """Return the lines of a condition that do not hold; none where the condition holds."""
    return tuple(_line_result(part, entry, holds=False) for part in parts if not part.test(entry))


def _met(parts: Sequence[Part], entry: LogEntry) -> tuple[LineResult, ...]:
    return tuple(_line_result(part, entry, holds=True) for part in parts)


def _line_result(part: Part, entry: LogEntry, *, holds: bool) -> LineResult:
    """Return the result of one line with its reasons: of several conditions within it only those that decide."""
    if part.value is not None:
        return LineResult(part.text, holds, part.value(entry))
    if part.combined == "not":
        (inner,) = part.within
        return LineResult(part.text, holds, within=unmet(inner, entry) if holds else _met(inner, entry))
    if not holds:
        return LineResult(part.text, holds, within=tuple(each for parts in part.within for each in unmet(parts, entry)))
    met = (parts for parts in part.within if not unmet(parts, entry))
    return LineResult(part.text, holds, within=tuple(each for parts in met for each in _met(parts, entry)))
