"""Checks the mapping against the event catalogue before the job runs: events, channels and properties that the catalogue does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.catalogue.message_check import is_number, reported_elsewhere
from pipeline.catalogue.rules import did_you_mean
from pipeline.catalogue.settings import Action, CatalogueSettings
from pipeline.yaml_text.diagnostics import Finding
from schemas.catalogue import Catalogue, EventDefinition, Origin, PropertyType
from schemas.event import OUT_BIZ_ID
from schemas.refusal import ReasonCode
from transforms.fault import KeyPath
from transforms.mapping import EventRule, constant_text, constant_texts

_Coded = tuple[ReasonCode, Finding]


def mapping_findings(
    rules: Sequence[EventRule],
    tables: Mapping[str, Mapping[str, Any]],
    catalogue: Catalogue,
    settings: CatalogueSettings,
) -> tuple[list[Finding], list[Finding]]:
    """Return the faults, and the warnings; the settings decide between the two. Only constants are checked: the value of a path is known at run time.

    `tables` are the lookup tables of the rules.
    """
    faults: list[Finding] = []
    warnings: list[Finding] = []
    for place, rule in enumerate(rules):
        for code, found in [
            *_elsewhere(rule, ("events", place), tables, catalogue),
            *_rule(rule, ("events", place), catalogue),
        ]:
            action = settings.action(code)
            if action is not Action.IGNORE:
                (faults if action is Action.REFUSE else warnings).append(found)
    return faults, warnings


def _elsewhere(
    rule: EventRule, here: KeyPath, tables: Mapping[str, Mapping[str, Any]], catalogue: Catalogue
) -> Iterator[_Coded]:
    for code in dict.fromkeys(each.strip() for each in constant_texts(rule.event_code, tables)):
        event = catalogue.events_by_code.get(code)
        if event is not None and (reporter := reported_elsewhere(catalogue.origin_of(event))):
            expected = "expected no rule for it: it would be reported a second time"
            found = ((*here, "event_code"), f"found {code!r}, which {reporter} already", expected)
            yield ReasonCode.EVENT_REPORTED_ELSEWHERE, found


def _rule(rule: EventRule, here: KeyPath, catalogue: Catalogue) -> Iterator[_Coded]:
    code, app_key = ((constant_text(each) or "").strip() for each in (rule.event_code, rule.event_source_code))
    event = catalogue.events_by_code.get(code)
    keys = [each.app_key for each in catalogue.channels if each.app_key]
    place = (*here, "event_code")
    if event is not None and catalogue.origin_of(event) is not Origin.CUSTOM:
        return
    if event is None and code:
        expected = f"expected an event of the catalogue{did_you_mean(code, catalogue.events_by_code)}"
        yield ReasonCode.EVENT_UNKNOWN, (place, f"found {code!r}, an event that the catalogue does not have", expected)
    place = (*here, "event_source_code")
    if app_key and app_key not in keys:
        expected = f"expected an APP_KEY of the catalogue{did_you_mean(app_key, keys)}"
        yield (
            ReasonCode.CHANNEL_UNKNOWN,
            (place, f"found {app_key!r}, the APP_KEY of no channel of the catalogue", expected),
        )
    if event is None:
        return
    channel = catalogue.channel_of(event)
    if app_key in keys and channel is not None and channel.app_key != app_key:
        expected = f"expected {channel.app_key!r}, the APP_KEY of its channel {channel.name!r}"
        yield (
            ReasonCode.CHANNEL_UNKNOWN,
            (place, f"found {app_key!r}, the APP_KEY of another channel than that of {code!r}", expected),
        )
    yield from _properties(rule, (*here, "attributes"), event)


def _properties(rule: EventRule, here: KeyPath, event: EventDefinition) -> Iterator[_Coded]:
    ids = [each.id for each in event.properties if each.id != OUT_BIZ_ID]
    for name, written in rule.attributes.items():
        there = event.property_of(name)
        if there is None:
            what = f"found {name!r}, which is no property of {event.code!r} in the catalogue"
            listed = f"expected one of {', '.join(ids)}" if ids else "expected none: it has no properties"
            yield ReasonCode.PROPERTY_UNKNOWN, ((*here, name), what, listed + did_you_mean(name, ids))
        elif there.type is PropertyType.NUMERIC:
            constant = constant_text(written)
            if constant is not None and constant != "" and not is_number(constant):
                what = f"found the constant {constant!r} for a numeric property"
                yield ReasonCode.PROPERTY_NOT_NUMERIC, ((*here, name), what, "expected a number")
    if missing := [each for each in ids if each not in rule.attributes]:
        what = f"found no {', '.join(missing)}"
        expected = f"expected the properties that the catalogue has for {event.code!r}"
        yield ReasonCode.PROPERTY_MISSING, (here, what, expected)
