"""The rules between the channels, events and tasks of a catalogue. They are from the vendor's page, unless a comment names another source."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from pipeline.yaml_text.diagnostics import Finding
from schemas.catalogue import (
    ApplicationType,
    Channel,
    EventDefinition,
    EventProperty,
    MarketingTask,
    Origin,
    PropertyScope,
    PropertyType,
    channel_origin,
)
from schemas.event import OUT_BIZ_ID
from transforms.fault import KeyPath

Model = TypeVar("Model", bound=BaseModel)
Placed = Sequence[tuple[KeyPath, Model]]
"""Models, each with its location in the file."""


def rule_faults(
    channels: Placed[Channel], events: Placed[EventDefinition], tasks: Placed[MarketingTask], names: Iterable[str]
) -> list[Finding]:
    """Return every broken rule. `names` are the names of all channels of the file, including channels that are wrong by themselves."""
    found = _repeated([((*place, "app_key"), each.app_key) for place, each in channels if each.app_key], "APP_KEY")
    # A rule of this file: events refer to a channel by its name. In the console a person selects it from a list.
    found += _repeated([((*place, "name"), each.name) for place, each in channels], "name of a channel")
    # Once in the workspace (reference, section 6: Quick Audience may refuse the data of a code that occurs twice).
    found += _repeated([((*place, "code"), each.code) for place, each in events], "event code")
    for place, channel in channels:
        found += [((*place, *key), what, expected) for key, what, expected in _dialog_faults(channel)]
    by_name = {each.name: each for _, each in channels}
    for place, event in events:
        ids = [((*place, "properties", number, "id"), each.id) for number, each in enumerate(event.properties)]
        found += _repeated(ids, "property ID of this event")
        found += [
            ((*place, "properties", number, "type"), f"found {OUT_BIZ_ID} of type {each.type}", "expected text: it is an ID")
            for number, each in enumerate(event.properties)
            if each.id == OUT_BIZ_ID and each.type is not PropertyType.TEXT  # reference, section 8
        ]  # fmt: skip
        found += _channel_faults(event, place, by_name, list(names))
    for name, channel in by_name.items():
        if channel.quick_tracking:
            found += _global_faults([(place, event) for place, event in events if event.channel == name])
    codes = dict.fromkeys(event.code for _, event in events)
    for place, task in tasks:
        for number, code in enumerate(task.events):
            if code not in codes:
                expected = f"an event of the file{did_you_mean(code, codes)}: what a task uses cannot be deleted"
                found.append(((*place, "events", number), f"found {code!r}, an event that is not listed", f"expected {expected}"))  # fmt: skip
    return found


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the most similar known name, in brackets; "" if none is similar. Upper and lower case are alike."""
    by_case = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), by_case, n=1, cutoff=0.5)
    return f" (did you mean {by_case[near[0]]!r}?)" if near else ""


def _repeated(named: Sequence[tuple[KeyPath, str]], what: str) -> list[Finding]:
    seen: set[str] = set()
    found: list[Finding] = []
    for place, name in named:
        if name in seen:
            found.append((place, f"found {name!r} a second time", f"expected each {what} once"))
        seen.add(name)
    return found


def _dialog_faults(channel: Channel) -> list[Finding]:
    """Return the parameters that the console's dialog does not offer for such a channel, and the missing ones that it requires."""
    found: list[Finding] = []
    kind, collects = channel.application_type, channel.quick_tracking
    if kind is ApplicationType.THIRD_PARTY_SYSTEM and collects:
        expected = "expected false, or nothing: Quick Tracking collects no third-party system"
        found.append((("quick_tracking",), "found true for a third-party system", expected))
    has_platform = collects and kind in {ApplicationType.APP, ApplicationType.MINI_PROGRAM}
    if channel.platform_type is not None and not has_platform:
        expected = "expected it only for an app or a mini program that Quick Tracking collects"
        found.append((("platform_type",), f"found {channel.platform_type!r}", expected))
    if has_platform and channel.platform_type is None:
        expected = "expected the platform type that the channel has in Quick Tracking"
        found.append((("platform_type",), "found nothing", expected))
    if channel.app_key is None and not collects:
        expected = "expected the APP_KEY: only a channel that Quick Tracking collects may do without"
        found.append((("app_key",), "found nothing", expected))
    return found


def _channel_faults(
    event: EventDefinition, place: KeyPath, by_name: dict[str, Channel], names: Sequence[str]
) -> list[Finding]:
    channel = by_name.get(event.channel)
    if channel is None:
        if event.channel in names or event.origin is Origin.SYSTEM:
            return _scope_faults(event, place) if event.origin is Origin.SYSTEM else []
        expected = f"expected a channel of the file{did_you_mean(event.channel, names)}, or origin: system for an event of a feature module"
        return [((*place, "channel"), f"found {event.channel!r}, a channel that is not listed", expected)]
    found: list[Finding] = []
    origin = channel_origin(channel)
    if event.origin is Origin.SYSTEM:
        expected = "expected the name of a feature module, such as Social Interaction"
        found.append(((*place, "channel"), f"found the channel {channel.name!r} for an event of origin system", expected))  # fmt: skip
    elif event.origin not in {None, origin}:
        collects = "collects" if channel.quick_tracking else "does not collect"
        expected = (
            f"expected {origin.value}, since Quick Tracking {collects} the channel {channel.name!r}; or leave it out"
        )
        found.append(((*place, "origin"), f"found {event.origin}", expected))
    return found if channel.quick_tracking else found + _scope_faults(event, place)


def _scope_faults(event: EventDefinition, place: KeyPath) -> list[Finding]:
    """Return the global properties of an event, each as a fault: without Quick Tracking there are none."""
    return [
        (
            (*place, "properties", number, "scope"),
            "found global",
            "expected event, or no scope: only channels that Quick Tracking collects have global properties",
        )
        for number, each in enumerate(event.properties)
        if each.scope is PropertyScope.GLOBAL
    ]


def _global_faults(events: Placed[EventDefinition]) -> list[Finding]:
    """Return the events of a channel that lack a global property of another event, or have a different one."""
    global_properties: dict[str, tuple[str, EventProperty]] = {}
    for _, event in events:
        for each in event.properties:
            if each.scope is PropertyScope.GLOBAL:
                global_properties.setdefault(each.id, (event.code, each))
    found: list[Finding] = []
    for place, event in events:
        for property_id, (first, one) in global_properties.items():
            there = event.property_of(property_id)
            if there is None:
                what = f"found no property {property_id!r}, which is global on the channel {event.channel!r} ({first} has it)"
                found.append(((*place, "properties"), what, "expected it on every event of the channel"))
            elif there != one:
                number = event.properties.index(there)
                what = f"found {property_id!r} with other values than on {first}, whose global property it is"
                found.append(((*place, "properties", number), what, f"expected {{{_shown(one)}}}, the same on every event of the channel"))  # fmt: skip
    return found


def _shown(each: EventProperty) -> str:
    return f"id: {each.id}, name: {each.name}, type: {each.type}, scope: {each.scope}"
