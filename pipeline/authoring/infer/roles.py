"""Finds the roles of a sample's fields: the event's kind and time, the customer, identities, the business ID, attributes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.authoring.infer.attributes import IN_A_LIST, MOST, Elements, attributes_of, lists_with_elements
from pipeline.authoring.infer.field_names import (
    BUSINESS_ID,
    CUSTOMER,
    IDENTITIES,
    KIND,
    KIND_OF_SYSLOG,
    MACHINE_FIELD,
    PAGE,
    TIME,
)
from pipeline.authoring.infer.profile import FieldProfile, survey
from pipeline.observe.redact import redact
from schemas.customer import IdMapping
from schemas.identity import normalise
from schemas.log import LogEntry, RawRecord
from transforms.mapping.readers import Rejected, event_time
from transforms.mapping.scope import Scope
from transforms.mapping.values import compile_value
from transforms.values.text import text_or_none

TextReader = Callable[[Mapping[str, Any]], str | None]
"""Returns the text of one field, from the fields of an entry."""

NEARLY_ALL = 0.9
SOME = 0.2
MOST_KINDS = 20
_NO_RECORD = RawRecord("sample", 0, 0, -1, None, None)

TIME_FORMATS = (
    "", "%d/%b/%Y:%H:%M:%S %z", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S,%f",
    "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
"""The formats of times, in the order in which they are tried. "" needs no format: ISO 8601 and times since 1970."""

_WRITTEN_TIME = re.compile(r"\d{4}[-/]?\d\d[-/]?\d\d[ T]\d\d:?\d\d|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:")
"""Matches a text that is a time, whatever the field's name."""


class Customer(NamedTuple):
    """The field of the customer's ID.

    `path` is "" if there is no such field. `share` is the share of the entries with a value. `has_empty`: some entries have an empty text.
    """

    path: str = ""
    share: float = 0.0
    has_empty: bool = False


class ProposedRule(NamedTuple):
    """One proposed event rule. `when` is the value of the kind field. A path is "" if the sample has no field for it."""

    when: str
    entries: int
    event_time: str
    customer: Customer
    out_biz_id: str
    attributes: Mapping[str, str]
    elements: Sequence[Elements] = ()


class Candidates(NamedTuple):
    """The roles that a sample proposes. `kind` is the path of the field that tells events apart, or ""; `kinds` is the number of its values.

    `customer` is the customer's field in the entries that have an identity.
    """

    fields: Sequence[FieldProfile]
    kind: str
    kinds: int
    identities: Mapping[IdMapping, str]
    customer: Customer
    rules: Sequence[ProposedRule]


def find_candidates(entries: Sequence[Mapping[str, Any]]) -> Candidates:
    """Return the roles of the fields, in all entries and in the entries of each kind of event."""
    fields = survey(entries)
    kind = _kind_field(fields, len(entries))
    identities = _identities(fields)
    groups: list[tuple[str, Sequence[Mapping[str, Any]]]] = [("", entries)]
    if kind is not None:
        text = _reader(kind.path)
        named = {
            value: [each for each in entries if text(each) == value] for value, _ in kind.values.most_common(MOST_KINDS)
        }
        groups = list(named.items())
    rules = [_rule(when, group, kind, identities) for when, group in groups]
    readers = [_reader(path) for path in identities.values()]
    identified = [each for each in entries if any(text(each) for text in readers)]
    customer = _customer(survey(identified), identified)
    return Candidates(fields, kind.path if kind else "", len(kind.values) if kind else 0, identities, customer, rules)


def _reader(path: str) -> TextReader:
    """Return a function that reads the text of a field, or None if the entry has none."""
    read = compile_value(path, Scope())

    def text(fields: Mapping[str, Any]) -> str | None:
        found = read(LogEntry(fields, _NO_RECORD))
        return None if isinstance(found, Mapping | list) else text_or_none(found)

    return text


def _kind_field(fields: Sequence[FieldProfile], entries: int) -> FieldProfile | None:
    fits = [
        each
        for each in fields
        if each.is_scalar and each.presence(entries) >= NEARLY_ALL and len(each.values) > 1 and _tells_kinds(each)
        and not any(redact(text) != text for text in each.values)
    ]  # fmt: skip
    return min(fits, key=lambda each: (PAGE.search(each.name) is not None, each.path.count(".")), default=None)


def _tells_kinds(field: FieldProfile) -> bool:
    """Whether the field has few values that repeat often. Pages must be so few that a person can read a rule for each."""
    if field.path == KIND_OF_SYSLOG:
        return len(field.values) * 2 <= field.count
    if KIND.search(field.name):
        return field.kind in {"text", "number"} and len(field.values) <= max(MOST_KINDS, field.count // 10)
    return bool(PAGE.search(field.name)) and field.kind == "text" and len(field.values) <= MOST_KINDS


def _rule(
    when: str, entries: Sequence[Mapping[str, Any]], kind: FieldProfile | None, identities: Mapping[IdMapping, str]
) -> ProposedRule:
    fields = survey(entries)
    time = _time(fields, entries)
    customer = _customer(fields, entries)
    business = _business_id(fields, len(entries), {customer.path, *identities.values()})
    taken = {
        time.partition(" |")[0],
        customer.path,
        business,
        *identities.values(),
        kind.path if kind else "",
    }
    telling = [_reader(path) for path in {customer.path, *identities.values()} - {""}]
    attributes = {
        name: path
        for name, path in attributes_of(fields, len(entries), taken).items()
        if not any(_carries(_reader(path), of_person, entries) for of_person in telling)
    }
    return ProposedRule(
        when, len(entries), time, customer, business, attributes, lists_with_elements(fields, len(entries))
    )


def _carries(text_of: TextReader, of_person: TextReader, entries: Sequence[Mapping[str, Any]]) -> bool:
    """Whether most texts contain a person's identifier, among the entries that have both. A message may name the customer, for example."""
    found = [identifier in text for each in entries if (text := text_of(each)) and (identifier := of_person(each))]
    return sum(found) * 2 > len(found)


def _time(fields: Sequence[FieldProfile], entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the expression of the event's time, or "". Nearly all values must be times. Fields with the name of a time are tried first."""
    there = [each for each in fields if each.is_scalar and each.presence(len(entries)) >= NEARLY_ALL]
    named = sorted(
        (each for each in there if TIME.search(each.name)),
        key=lambda each: (each.name != "time_ms", each.name == "@timestamp", each.path.count(".")),
    )
    alike = [each for each in there if each not in named and all(map(_WRITTEN_TIME.match, each.values))]
    for each in [*named, *alike]:
        for pattern in TIME_FORMATS:
            written = f"{each.path} | time('{pattern}')" if pattern else each.path
            if _reads(written, entries):
                return written
    return ""


def _reads(written: str, entries: Sequence[Mapping[str, Any]]) -> bool:
    read = event_time(compile_value(written, Scope()))
    good = 0
    for each in entries:
        try:
            read(LogEntry(each, _NO_RECORD))
        except Rejected:
            continue
        good += 1
    return good >= NEARLY_ALL * len(entries)


def _customer(fields: Sequence[FieldProfile], entries: Sequence[Mapping[str, Any]]) -> Customer:
    """Return the field that names the customer in nearly all entries, else in some: visitors who are not logged in have no ID."""
    for least in (NEARLY_ALL, SOME):
        for pattern in CUSTOMER:
            fits = [
                each
                for each in fields
                if each.is_scalar and each.presence(len(entries)) >= least and not IN_A_LIST.search(each.path)
                and (pattern.search(each.name) or (each.name in {"id", "no"} and pattern.search(_parent(each.path))))
            ]  # fmt: skip
            if fits:
                best = min(fits, key=lambda each: (-round(each.presence(len(entries)), 1), each.path.count(".")))
                text = _reader(best.path)
                return Customer(best.path, best.presence(len(entries)), any(text(each) == "" for each in entries))
    return Customer()


def _parent(path: str) -> str:
    return path.split(".")[-2].lower() if path.count(".") > 1 else ""


def _identities(fields: Sequence[FieldProfile]) -> dict[IdMapping, str]:
    found: dict[IdMapping, str] = {}
    for kind, (pattern, by_value) in IDENTITIES.items():
        fits = {
            each.path: sum(normalise(kind, text) is not None for text in each.values) / len(each.values)
            for each in fields
            if each.is_scalar and not IN_A_LIST.search(each.path)
        }
        named = [each for each in fields if pattern.search(each.name) and fits.get(each.path, 0) >= MOST]
        alike = [each for each in fields if by_value and fits.get(each.path, 0) >= NEARLY_ALL]
        chosen = named or alike
        if chosen:
            found[kind] = max(chosen, key=lambda each: each.count).path
    return found


def _business_id(fields: Sequence[FieldProfile], entries: int, of_persons: set[str]) -> str:
    for pattern in BUSINESS_ID:
        fits = [
            each
            for each in fields
            if each.is_scalar and not IN_A_LIST.search(each.path) and each.path not in of_persons and each.presence(entries) >= NEARLY_ALL
            and not MACHINE_FIELD.search(each.name) and each.uniqueness >= MOST  # not all unique: repeats of one event have the same ID
            and (pattern.search(each.name) or (each.name in {"no", "id"} and pattern.search(f"{_parent(each.path)}_{each.name}")))
        ]  # fmt: skip
        if fits:
            return max(fits, key=lambda each: each.uniqueness).path
    return ""
