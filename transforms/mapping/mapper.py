"""A compiled mapping, which converts one log entry to zero, one or many messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from schemas.log import LogEntry
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Message, Skipped
from transforms.fields import Value, compile_path
from transforms.mapping.comparisons import Predicate
from transforms.mapping.elements import elements_of
from transforms.mapping.readers import Rejected
from transforms.mapping.rule import MakeMessages, Rule
from transforms.mapping.trace import RuleTrace, trace_rule
from transforms.values.text import Inconvertible, text_or_none

_NO_RULE = Skipped("no rule matched")
_NO_RULE_REFUSED = Refusal(Stage.TRANSFORM, ReasonCode.NO_RULE_MATCHED, "no rule matched")
_NO_MESSAGE = Skipped("nothing to report: no identity, or no element")

_LEAST_INDEXED = 3
"""From this number of rules on, a lookup of the rules that can match is faster than a test of every rule."""


_Step = tuple[Predicate, MakeMessages, Kind, str]


class Mapper:
    """A `Transform` made from a source file. Every rule whose `when` holds makes its message; user messages come before events."""

    def __init__(self, rules: Sequence[Rule], *, dead_letter_rest: bool, first_event_only: bool = False) -> None:
        """`first_event_only`: among the event rules only the first whose condition holds makes its messages."""
        self._first_event_only = first_event_only
        self._rules = tuple(rules)
        self._index = _index_by_text(self._rules)
        self._steps = tuple(map(_step, self._rules))
        self._unmatched: Skipped | Refusal = _NO_RULE_REFUSED if dead_letter_rest else _NO_RULE

    def __call__(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        """Convert one entry. A refusal of one rule refuses the whole record, so that no part of it is left out in silence."""
        steps = self._steps
        if self._index is not None:
            value, by_text, others = self._index
            found = value(entry)
            if found.__class__ is str:
                steps = by_text.get(found, others)
        messages: list[Message] = []
        new = tuple.__new__  # `Message(...)` takes twice the time
        matched = False
        try:
            for holds, make, kind, name in steps:
                if holds(entry):
                    matched = True
                    wire = make(entry)
                    if wire.__class__ is dict:
                        messages.append(new(Message, (kind, wire, name)))
                    elif isinstance(wire, list):
                        messages += [Message(kind, each, name) for each in wire]
                    if self._first_event_only and kind is Kind.EVENT:
                        break
        except Rejected as rejected:
            return Refusal(Stage.TRANSFORM, rejected.code, f"{name}: {rejected.reason}")
        if messages:
            return messages
        return _NO_MESSAGE if matched else self._unmatched

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in the order in which they run: those of users, then those of events."""
        return self._rules

    def identifiers(self, entry: LogEntry) -> set[str]:
        """Return every value that some rule reads as an identifier, whether the rule matches or not. These values must not be shown."""
        found: set[str] = set()
        for rule in self._rules:
            seen: Iterable[LogEntry] = [entry]
            if rule.elements is not None:
                try:
                    seen = elements_of(entry, rule.elements)
                except Rejected:
                    continue
            for each in seen:
                for value in rule.personal:
                    with suppress(Inconvertible):
                        found.update(_texts(value(each)))
        return found - {""}

    def explain(self, entry: LogEntry) -> list[RuleTrace]:
        """Return a trace of every rule: whether it matched, and its messages or the lines that did not hold."""
        traces: list[RuleTrace] = []
        matched_before = ""
        for rule in self._rules:
            first_only = self._first_event_only and rule.kind is Kind.EVENT
            trace = (
                RuleTrace(rule.name, matched=False, not_asked=matched_before)
                if first_only and matched_before
                else trace_rule(rule, entry)
            )
            if first_only and trace.matched:
                matched_before = rule.name
            traces.append(trace)
        return traces


def _texts(value: Any) -> Iterator[str]:
    """Yield the text of a value; for an object or a list, the texts of all values in it."""
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
    elif not isinstance(value, bool):
        yield text_or_none(value) or ""


def _step(rule: Rule) -> _Step:
    return rule.condition.holds, rule.make, rule.kind, rule.name


def _index_by_text(rules: Sequence[Rule]) -> tuple[Value, Mapping[str, tuple[_Step, ...]], tuple[_Step, ...]] | None:
    """Return the path of which most rules require certain texts, for each text the rules that can match it, and the rules for all other texts.

    The rules keep their order, and their conditions are still tested: the index only skips rules that cannot match. It is None where fewer
    than `_LEAST_INDEXED` rules require a text of the same path.
    """
    asked = Counter(path for rule in rules for path in rule.condition.texts)
    if not asked or max(asked.values()) < _LEAST_INDEXED:
        return None
    path = asked.most_common(1)[0][0]
    known = {text for rule in rules for text in rule.condition.texts.get(path, ())}
    by_text = {
        text: tuple(_step(rule) for rule in rules if text in rule.condition.texts.get(path, known)) for text in known
    }
    others = tuple(_step(rule) for rule in rules if path not in rule.condition.texts)
    return compile_path(path), by_text, others
