"""What the conditions of a mapping say of its rules without any record: which can never match, which are never asked, which are there twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from transforms.fault import Location, Note
from transforms.mapping.elements import parted
from transforms.mapping.lint.contradictions import excluding, implies, possible
from transforms.mapping.lint.formula import Formula, TooManyAlternatives, either, formula_of, together
from transforms.mapping.models import EventRule, MappingSettings, UserRule

ALWAYS: Formula = ((),)


def rule_notes(settings: MappingSettings) -> list[Note]:
    """Say of each rule what is wrong with when it matches. The mapping compiles; what is said is so for every record."""
    return [
        *_notes("events", settings.events, first_only=settings.match == "first"),
        *_notes("users", settings.users, first_only=False),
    ]


def _notes(key: str, rules: Sequence[EventRule | UserRule], *, first_only: bool) -> list[Note]:
    notes = []
    asked: list[Formula | None] = []
    """Of each earlier rule where it is the one that matches; None where that cannot be told."""
    for place, rule in enumerate(rules):
        location: Location = (key, place)
        whole, entry = _formula(rule.when), _formula(_of_entry(rule))
        if whole is not None and not possible(whole):
            notes.append(Note((*location, "when"), f"can never hold: {_why(whole)}"))
            asked.append(entry)
            continue
        with suppress(TooManyAlternatives):
            notes += _dead_branches(rule.when or {}, (*location, "when"), ALWAYS)
        if first_only and entry is not None and (taken := _taken_before(entry, asked)):
            notes.append(Note(location, f"can never match (match: first): {taken}"))
        elif whole is not None and (twin := _twin(rule, whole, rules[:place])) is not None:
            notes.append(
                Note(
                    location,
                    f"has the condition of {key}[{twin}], and makes the same {_made(rule)} of the same records",
                )
            )
        asked.append(entry)
    return notes


def _dead_branches(when: Mapping[str, Any], location: Location, beside: Formula) -> Iterator[Note]:
    """Say which conditions of an `any` can never hold, though another one can. `beside` is what must hold besides.

    Raises:
        TooManyAlternatives: it falls into more than can be looked through.
    """
    for name in ("all", "any"):
        others = [beside, formula_of({key: each for key, each in when.items() if key != name})]
        conditions = when.get(name, ())
        for place, condition in enumerate(conditions):
            here = (*location, name, place)
            rest = [*conditions[:place], *conditions[place + 1 :]] if name == "all" else ()
            around, own = together([*others, *map(formula_of, rest)]), formula_of(condition)
            if name == "any" and not possible(both := together([around, own])):
                yield Note(here, f"can never hold: {_why(both if possible(own) else own)}")
            else:
                yield from _dead_branches(condition, here, around)


def _why(impossible: Formula) -> str:
    """Name the conditions, where it is the same two whatever else is chosen."""
    first = impossible[0] if impossible else ()
    always = tuple(literal for literal in first if all(literal in each for each in impossible))
    pair = excluding(always)
    return f"{pair[0]} and {pair[1]} exclude each other" if pair else "its conditions exclude each other"


def _formula(when: Mapping[str, Any] | None) -> Formula | None:
    try:
        return formula_of(when)
    except TooManyAlternatives:
        return None


def _of_entry(rule: EventRule | UserRule) -> Mapping[str, Any]:
    """Return the conditions that decide whether a rule matches an entry."""
    when = rule.when or {}
    return when if rule.for_each is None else parted(when)[0]


def _taken_before(entry: Formula, asked: Sequence[Formula | None]) -> str:
    """Say which earlier rules match whatever this one would."""
    for place, before in enumerate(asked):
        if before is not None and implies(entry, before):
            always = any(not alternative for alternative in before)
            return f"events[{place}] before it matches every record{'' if always else ' that it would match'}"
    known = [before for before in asked if before is not None]
    if len(known) > 1 and implies(entry, either(known)):
        return "the rules before it match every record that it would match"
    return ""


def _twin(rule: EventRule | UserRule, formula: Formula, before: Sequence[EventRule | UserRule]) -> int | None:
    for place, other in enumerate(before):
        earlier = _formula(other.when) if _product(other) == _product(rule) else None
        if earlier is not None and implies(formula, earlier) and implies(earlier, formula):
            return place
    return None


def _product(rule: EventRule | UserRule) -> tuple[Any, ...]:
    """What a rule makes, as far as two rules with one condition should differ in it."""
    if isinstance(rule, EventRule):
        return rule.for_each, rule.event_code, rule.event_source_code
    return rule.for_each, rule.customer_id, rule.identities


def _made(rule: EventRule | UserRule) -> str:
    return "event" if isinstance(rule, EventRule) else "identities"
