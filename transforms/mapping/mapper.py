"""A compiled mapping at work: one log entry to zero, one or many messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from schemas.log import LogEntry
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Message, Skipped
from transforms.fields import Inconvertible, Value, compile_path, text_or_none
from transforms.mapping.comparisons import Test
from transforms.mapping.conditions import Condition
from transforms.mapping.elements import elements_of
from transforms.mapping.readers import Rejected

Make = Callable[[LogEntry], dict[str, Any] | list[dict[str, Any]] | None]
"""Makes one message's wire form, or those of several, None for none. Raises `Rejected` only."""

_NO_RULE = Skipped("no rule matched")
_NO_RULE_REFUSED = Refusal(Stage.TRANSFORM, ReasonCode.NO_RULE_MATCHED, "no rule matched")
_NO_MESSAGE = Skipped("nothing to report: no identity, or no element")

_WORTH_CHOOSING = 3
"""From so many rules on, looking up which can match is faster than asking each."""


class Rule(NamedTuple):
    """One compiled rule. `personal` reads the values that it takes for identifiers of a customer.

    `elements` is the list of its `for_each`, `of_element` what must hold for an element.
    """

    name: str
    kind: Kind
    condition: Condition
    make: Make
    personal: tuple[Value, ...] = ()
    elements: Value | None = None
    of_element: Condition = Condition(lambda _: True)


class RuleTrace(NamedTuple):
    """What one rule did with an entry: `failed` is the first condition that did not hold."""

    rule: str
    matched: bool
    failed: str = ""
    messages: tuple[Message, ...] = ()
    refusal: Refusal | None = None


_Step = tuple[Test, Make, Kind, str]


class Mapper:
    """A `Transform` made from a source file. Every rule whose `when` holds makes its message, users before events."""

    def __init__(self, rules: Sequence[Rule], *, dead_letter_rest: bool, first_event_only: bool = False) -> None:
        """`first_event_only`: of the event rules only the first whose condition holds makes its messages."""
        self._first_event_only = first_event_only
        self._rules = tuple(rules)
        self._choice = _choose(self._rules)
        self._steps = tuple(map(_step, self._rules))
        self._unmatched: Skipped | Refusal = _NO_RULE_REFUSED if dead_letter_rest else _NO_RULE

    def __call__(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        """Convert one entry. What one rule refuses refuses the record: half of it is not reported in silence."""
        steps = self._steps
        if self._choice is not None:
            value, by_text, others = self._choice
            found = value(entry)
            if found.__class__ is str:
                steps = by_text.get(found, others)
        messages = []
        matched = False
        try:
            for holds, make, kind, name in steps:
                if holds(entry):
                    matched = True
                    wire = make(entry)
                    if isinstance(wire, dict):
                        messages.append(Message(kind, wire, name))
                    elif wire:
                        messages += [Message(kind, each, name) for each in wire]  # a list of them
                    if self._first_event_only and kind is Kind.EVENT:
                        break
        except Rejected as rejected:
            return Refusal(Stage.TRANSFORM, rejected.code, f"{name}: {rejected.reason}")
        if messages:
            return messages
        return _NO_MESSAGE if matched else self._unmatched

    def identifiers(self, entry: LogEntry) -> set[str]:
        """Return every value that some rule takes for an identifier, whether it matches the entry or not: what must not be shown."""
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
        """Say of every rule whether it matched and what it made, or which condition did not hold."""
        traces: list[RuleTrace] = []
        for rule in self._rules:
            if self._first_event_only and rule.kind is Kind.EVENT and (before := _first_match(traces, "events")):
                traces.append(
                    RuleTrace(rule.name, matched=False, failed=f"asked, since {before} matched (match: first)")
                )
                continue
            failed = next((text for text, test in rule.condition.parts if not test(entry)), None)
            if failed is not None:
                traces.append(RuleTrace(rule.name, matched=False, failed=failed))
                continue
            try:
                made = rule.make(entry)
            except Rejected as rejected:
                refusal = Refusal(Stage.TRANSFORM, rejected.code, f"{rule.name}: {rejected.reason}")
                traces.append(RuleTrace(rule.name, matched=True, refusal=refusal))
            else:
                wires = made if isinstance(made, list) else [] if made is None else [made]
                messages = tuple(Message(rule.kind, wire, rule.name) for wire in wires)
                traces.append(RuleTrace(rule.name, matched=True, messages=messages))
        return traces


def _texts(value: Any) -> Iterator[str]:
    """Return a value as a text; where an object or a list stands in its place, all that is in it."""
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
    elif not isinstance(value, bool):
        yield text_or_none(value) or ""


def _first_match(traces: Sequence[RuleTrace], kind: str) -> str:
    return next((each.rule for each in traces if each.matched and each.rule.startswith(kind)), "")


def _step(rule: Rule) -> _Step:
    return rule.condition.holds, rule.make, rule.kind, rule.name


def _choose(rules: Sequence[Rule]) -> tuple[Value, Mapping[str, tuple[_Step, ...]], tuple[_Step, ...]] | None:
    """Find the path by which most rules ask for certain texts, and note for each text the rules that can match, in their order.

    The rules found are still asked: this only spares asking those that cannot match.
    """
    asked = Counter(path for rule in rules for path in rule.condition.texts)
    if not asked or max(asked.values()) < _WORTH_CHOOSING:
        return None
    path = asked.most_common(1)[0][0]
    known = {text for rule in rules for text in rule.condition.texts.get(path, ())}
    by_text = {
        text: tuple(_step(rule) for rule in rules if text in rule.condition.texts.get(path, known)) for text in known
    }
    others = tuple(_step(rule) for rule in rules if path not in rule.condition.texts)
    return compile_path(path), by_text, others
