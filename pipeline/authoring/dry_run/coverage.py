"""The coverage of a mapping by a sample: which rules match, and which of their paths have a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.authoring.dry_run.tally import is_missing
from pipeline.authoring.trace import Trace
from pipeline.observe.redact import holds_identifier
from schemas.event import OUT_BIZ_ID
from schemas.log import LogEntry
from transforms.fault import KeyPath, Note
from transforms.fields import compile_path, is_path
from transforms.mapping import Mapper, MappingSettings, RuleTrace
from transforms.mapping.conditions import COMBINED
from transforms.mapping.elements import elements_of
from transforms.mapping.models import EventRule, UserRule, values_of
from transforms.mapping.readers import Rejected
from transforms.mapping.rule import Rule
from transforms.mapping.trace import unmet
from transforms.mapping.values import names_element, sources_of
from transforms.values.text import Inconvertible


class RuleCoverage:
    """One rule: how often it matched, and how often each of its paths had a value in a matching record or element."""

    def __init__(self, location: KeyPath, written: EventRule | UserRule, rule: Rule) -> None:
        self.location = location
        self._rule = rule
        self._conditions = [
            (name, here, compile_path(name)) for name, here in _condition_paths(written.when or {}, (*location, "when"))
        ]
        self._values = [(path, here, compile_path(path)) for path, here in _value_paths(written, location)]
        self._attributes = tuple(written.attributes) if isinstance(written, EventRule) else ()
        self.matched = self._units = self._messages = 0
        self._entries = self._elements = 0
        self._with_value: Counter[tuple[str, KeyPath]] = Counter()
        self._filled: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()
        self._with_identifier: Counter[str] = Counter()

    def count(self, entry: LogEntry, trace: RuleTrace) -> None:
        """Count the rule's trace of an entry."""
        about_elements = list(self._each(entry))
        self._entries += 1
        self._elements += len(about_elements)
        for name, here, value in self._conditions:
            asked: Iterable[LogEntry] = about_elements if names_element(name) else (entry,)
            self._with_value[name, here] += any(value(each) is not None for each in asked)
        if not trace.matched:
            return
        self.matched += 1
        chosen = (
            [entry]
            if self._rule.elements is None
            else [each for each in about_elements if not unmet(self._rule.of_element.parts, each)]
        )
        self._units += len(chosen)
        for path, here, value in self._values:
            self._with_value[path, here] += sum(value(each) is not None for each in chosen)
        for message in trace.messages:
            self._messages += 1
            found = message.wire.get("extendAttributes", {})
            self._filled.update(name for name in self._attributes if found.get(name))
            self._with_identifier.update(name for name, text in found.items() if holds_identifier(text))
        if trace.refusal is not None and is_missing(trace.refusal):
            self._missing[trace.refusal.reason.removeprefix(f"{self._rule.name}: ")] += 1

    def notes(self) -> Iterator[Note]:
        """Yield the mistakes that the sample shows of the rule."""
        for name, here, _ in self._conditions:
            if not self._with_value[name, here] and (self._elements if names_element(name) else self._entries):
                yield Note(here, f"no {'element' if names_element(name) else 'record'} of the sample has {name}")
        if not self.matched:
            yield Note(self.location, "no record of the sample matches the rule")
            return
        for reason, count in self._missing.items():
            yield Note(self.location, f"{reason} in {count:,} of the {self.matched:,} records that the rule matches")
        without: set[KeyPath] = set()
        for path, here, _ in self._values:
            if self._units and not self._with_value[path, here]:
                without.add(here)
                yield Note(
                    here, f"{path} has no value in any of the {self._units:,} {self._unit_name} that the rule matches"
                )
        for name in self._attributes:
            here = (*self.location, "attributes", name)
            if self._messages and not self._filled[name] and here not in without:
                yield Note(here, f"is empty in all {self._messages:,} events that the rule makes")

        for name, count in self._with_identifier.items():
            here = (*self.location, *(("out_biz_id",) if name == OUT_BIZ_ID else ("attributes", name)))
            text = f"holds what looks like an identifier of a person in {count:,} of {self._messages:,} events: it belongs under identities"
            yield Note(here, f"{text}, and elsewhere only hashed (hmac)")

    @property
    def _unit_name(self) -> str:
        return "records" if self._rule.elements is None else "elements"

    def _each(self, entry: LogEntry) -> Iterator[LogEntry]:
        if self._rule.elements is not None:
            try:
                yield from elements_of(entry, self._rule.elements)
            except (Rejected, Inconvertible):
                return


class Coverage:
    """The coverage of all rules of a mapping."""

    def __init__(self, settings: MappingSettings, mapper: Mapper) -> None:
        written = [("users", each) for each in enumerate(settings.users)] + [
            ("events", each) for each in enumerate(settings.events)
        ]
        self._mapper = mapper
        self._rules = [
            RuleCoverage((key, place), rule, compiled)
            for (key, (place, rule)), compiled in zip(written, mapper.rules, strict=True)
        ]

    def count(self, traced: Trace) -> list[str]:
        """Count the traces of a record's entries. Return the name of the rule of each message, in the order of the messages."""
        rule_names: list[str] = []
        for entry in traced.decoded:
            rules = traced.rules(entry)
            for coverage, rule in zip(self._rules, rules, strict=True):
                coverage.count(entry, rule)
            if all(rule.refusal is None for rule in rules):
                rule_names += [rule.rule for rule in rules for _ in rule.messages]
        return rule_names

    def notes(self) -> list[Note]:
        """Return the mistakes that the sample shows of the rules, in the order of the file's keys."""
        return [note for rule in self._rules for note in rule.notes()]

    def location_of(self, rule_name: str) -> KeyPath:
        """Return the location of a rule in the file."""
        names = (each.name for each in self._mapper.rules)
        return next(
            (rule.location for rule, name in zip(self._rules, names, strict=True) if name == rule_name), ("events",)
        )


def _condition_paths(when: Mapping[str, Any], location: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    """Yield the paths that a condition reads, without those that it wants to be absent."""
    for name, expected in when.items():
        if name in COMBINED:
            for inner in expected if isinstance(expected, list) else [expected]:
                yield from _condition_paths(inner, location)
        elif expected is not None and expected != {"exists": False}:
            yield (name if is_path(name) else f"$.{name}"), location


def _value_paths(rule: EventRule | UserRule, location: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    """Yield the paths that a rule's values read, each with its key in the file. The path of `for_each` is left out."""
    for (key, *inner), written in values_of(rule):
        if key != "for_each":
            yield from ((path, (*location, key, *inner)) for path in dict.fromkeys(sources_of(written)))
