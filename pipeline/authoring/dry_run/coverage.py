"""Which rules of a mapping a sample reaches, and which of their paths ever have a value there."""

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
    """One rule: how often it matched, and how often each of its paths had a value where it did."""

    def __init__(self, location: KeyPath, written: EventRule | UserRule, rule: Rule) -> None:
        self.location = location
        self._rule = rule
        self._asked = [
            (name, here, compile_path(name)) for name, here in _condition_paths(written.when or {}, (*location, "when"))
        ]
        self._read = [(path, here, compile_path(path)) for path, here in _value_paths(written, location)]
        self._attributes = tuple(written.attributes) if isinstance(written, EventRule) else ()
        self.matched = self._seen = self._made = 0
        self._entries = self._elements = 0
        self._had: Counter[tuple[str, KeyPath]] = Counter()
        self._filled: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()
        self._telling: Counter[str] = Counter()

    def see(self, entry: LogEntry, trace: RuleTrace) -> None:
        """Take note of what the rule did with an entry."""
        about_elements = list(self._each(entry))
        self._entries += 1
        self._elements += len(about_elements)
        for name, here, value in self._asked:
            asked: Iterable[LogEntry] = about_elements if names_element(name) else (entry,)
            self._had[name, here] += any(value(each) is not None for each in asked)
        if not trace.matched:
            return
        self.matched += 1
        chosen = (
            [entry]
            if self._rule.elements is None
            else [each for each in about_elements if not unmet(self._rule.of_element.parts, each)]
        )
        self._seen += len(chosen)
        for path, here, value in self._read:
            self._had[path, here] += sum(value(each) is not None for each in chosen)
        for message in trace.messages:
            self._made += 1
            found = message.wire.get("extendAttributes", {})
            self._filled.update(name for name in self._attributes if found.get(name))
            self._telling.update(name for name, text in found.items() if holds_identifier(text))
        if trace.refusal is not None and is_missing(trace.refusal):
            self._missing[trace.refusal.reason.removeprefix(f"{self._rule.name}: ")] += 1

    def notes(self) -> Iterator[Note]:
        """Say what the sample shows of the rule."""
        for name, here, _ in self._asked:
            if not self._had[name, here] and (self._elements if names_element(name) else self._entries):
                yield Note(here, f"no {'element' if names_element(name) else 'record'} of the sample has {name}")
        if not self.matched:
            yield Note(self.location, "no record of the sample matches the rule")
            return
        for reason, count in self._missing.items():
            yield Note(self.location, f"{reason} in {count:,} of the {self.matched:,} records that the rule matches")
        without: set[KeyPath] = set()
        for path, here, _ in self._read:
            if self._seen and not self._had[path, here]:
                without.add(here)
                yield Note(
                    here, f"{path} has no value in any of the {self._seen:,} {self._things} that the rule matches"
                )
        for name in self._attributes:
            here = (*self.location, "attributes", name)
            if self._made and not self._filled[name] and here not in without:
                yield Note(here, f"is empty in all {self._made:,} events that the rule makes")

        for name, count in self._telling.items():
            here = (*self.location, *(("out_biz_id",) if name == OUT_BIZ_ID else ("attributes", name)))
            text = f"holds what looks like an identifier of a person in {count:,} of {self._made:,} events: it belongs under identities"
            yield Note(here, f"{text}, and elsewhere only hashed (hmac)")

    @property
    def _things(self) -> str:
        return "records" if self._rule.elements is None else "elements"

    def _each(self, entry: LogEntry) -> Iterator[LogEntry]:
        if self._rule.elements is not None:
            try:
                yield from elements_of(entry, self._rule.elements)
            except (Rejected, Inconvertible):
                return


class Coverage:
    """All rules of a mapping."""

    def __init__(self, settings: MappingSettings, mapper: Mapper) -> None:
        written = [("users", each) for each in enumerate(settings.users)] + [
            ("events", each) for each in enumerate(settings.events)
        ]
        self._mapper = mapper
        self._rules = [
            RuleCoverage((key, place), rule, compiled)
            for (key, (place, rule)), compiled in zip(written, mapper.rules, strict=True)
        ]

    def see(self, traced: Trace) -> list[str]:
        """Count what the rules did with a record; return the rules that made its messages, one for each, in their order."""
        made: list[str] = []
        for entry in traced.decoded:
            rules = traced.rules(entry)
            for coverage, rule in zip(self._rules, rules, strict=True):
                coverage.see(entry, rule)
            if all(rule.refusal is None for rule in rules):
                made += [rule.rule for rule in rules for _ in rule.messages]
        return made

    def notes(self) -> list[Note]:
        """Say what the sample shows of the rules, in the order of the file's keys."""
        return [note for rule in self._rules for note in rule.notes()]

    def location_of(self, rule_name: str) -> KeyPath:
        """Return where a rule stands in the file."""
        names = (each.name for each in self._mapper.rules)
        return next(
            (rule.location for rule, name in zip(self._rules, names, strict=True) if name == rule_name), ("events",)
        )


def _condition_paths(when: Mapping[str, Any], location: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    """Return the paths that a condition asks, but for those that it wants to be absent."""
    for name, expected in when.items():
        if name in COMBINED:
            for inner in expected if isinstance(expected, list) else [expected]:
                yield from _condition_paths(inner, location)
        elif expected is not None and expected != {"exists": False}:
            yield (name if is_path(name) else f"$.{name}"), location


def _value_paths(rule: EventRule | UserRule, location: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    """Return the paths of everything that a rule reads, each with its key. What it wants of the entry before any element is left to `when`."""
    for (key, *inner), written in values_of(rule):
        if key != "for_each":
            yield from ((path, (*location, key, *inner)) for path in dict.fromkeys(sources_of(written)))
