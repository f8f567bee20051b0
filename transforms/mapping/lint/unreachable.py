"""Rules that can never match, rules that never run because an earlier one always matches, and rules that are written twice.

They are found by the conditions of the mapping alone, without records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transforms.fault import KeyPath, Note
from transforms.mapping.elements import split_condition
from transforms.mapping.lint.condition_lines import ConditionLines, lines_of_condition
from transforms.mapping.lint.contradictions import excluding, implies
from transforms.mapping.models import EventRule, MappingSettings, UserRule


def rule_notes(settings: MappingSettings) -> list[Note]:
    """Return a note on each rule whose condition is likely wrong. The mapping must compile; each note is true for every record."""
    return [
        *_notes("events", settings.events, first_only=settings.match == "first"),
        *_notes("users", settings.users, first_only=False),
    ]


def _notes(key: str, rules: Sequence[EventRule | UserRule], *, first_only: bool) -> list[Note]:
    notes = []
    whole = [lines_of_condition(rule.when or {}) for rule in rules]
    of_entry = [lines_of_condition(_entry_conditions(rule)) for rule in rules]
    for place, rule in enumerate(rules):
        location: KeyPath = (key, place)
        impossible = list(_impossible(rule.when or {}, (*location, "when"), ()))
        notes += impossible
        if any(note.location == (*location, "when") for note in impossible):
            continue
        if first_only and (taken := _taken_before(of_entry[place], of_entry[:place])):
            notes.append(Note(location, f"can never match (match: first): {taken}"))
        elif (twin := _twin(place, rules, whole)) is not None:
            text = f"has the condition of {key}[{twin}], and makes the same {_product_name(rule)} of the same records"
            notes.append(Note(location, text))
    return notes


def _impossible(when: Mapping[str, Any], location: KeyPath, around: ConditionLines) -> Iterator[Note]:
    """Yield a note on each condition, the whole or one within it, that can never hold. `around` are the lines that must hold too."""
    lines = (*around, *lines_of_condition(when))
    if pair := excluding(lines):
        yield Note(location, f"can never hold: {pair[0]} and {pair[1]} exclude each other")
        return
    for name in ("all", "any"):
        for place, condition in enumerate(when.get(name, ())):
            yield from _impossible(condition, (*location, name, place), lines)


def _entry_conditions(rule: EventRule | UserRule) -> Mapping[str, Any]:
    """Return the conditions that decide whether a rule matches an entry."""
    when = rule.when or {}
    return when if rule.for_each is None else split_condition(when)[0]


def _taken_before(lines: ConditionLines, before: Sequence[ConditionLines]) -> str:
    """Return a sentence on the earlier rule that matches every entry that this one would; "" where there is no such rule."""
    for place, wanted in enumerate(before):
        if implies(lines, wanted):
            return f"events[{place}] before it matches every record{' that it would match' if wanted else ''}"
    return ""


def _twin(place: int, rules: Sequence[EventRule | UserRule], whole: Sequence[ConditionLines]) -> int | None:
    """Return the place of the earlier rule that makes the same product of the same records; None where there is none."""
    for earlier in range(place):
        is_same = _product(rules[earlier]) == _product(rules[place])
        if is_same and implies(whole[place], whole[earlier]) and implies(whole[earlier], whole[place]):
            return earlier
    return None


def _product(rule: EventRule | UserRule) -> tuple[Any, ...]:
    """Return the parts of a rule's product in which two rules with the same condition should differ."""
    if isinstance(rule, EventRule):
        return rule.for_each, rule.event_code, rule.event_source_code
    return rule.for_each, rule.customer_id, rule.identities


def _product_name(rule: EventRule | UserRule) -> str:
    return "event" if isinstance(rule, EventRule) else "identities"
