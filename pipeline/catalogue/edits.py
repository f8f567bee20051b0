"""Edits of a catalogue. Each returns a new catalogue, and refuses an edit that the console would refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.catalogue.changes import KEPT_ELSEWHERE, refusals
from pipeline.catalogue.rules import Model, did_you_mean
from pipeline.errors import UsageError
from schemas.catalogue import Catalogue, Channel, EventDefinition, EventProperty, PropertyScope


def with_channel(catalogue: Catalogue, channel: Channel) -> Catalogue:
    """Return the catalogue with one more channel."""
    return with_fields(catalogue, channels=[*catalogue.channels, channel])


def with_channel_renamed(catalogue: Catalogue, name: str, new_name: str) -> Catalogue:
    """Return the catalogue with a channel renamed. Its events keep the channel.

    Raises:
        UsageError: there is no channel of that name, or the console would refuse the edit.
    """
    if known_channel(catalogue, name).quick_tracking:
        raise UsageError(f"channel {name!r}: the console would refuse this: {KEPT_ELSEWHERE}")
    channels = [with_fields(each, name=new_name) if each.name == name else each for each in catalogue.channels]
    events = [with_fields(each, channel=new_name) if each.channel == name else each for each in catalogue.events]
    return _allowed(catalogue, with_fields(catalogue, channels=channels, events=events))


def without_channel(catalogue: Catalogue, name: str) -> Catalogue:
    """Return the catalogue without a channel. Raises as `with_channel_renamed` does."""
    gone = known_channel(catalogue, name)
    return _allowed(
        catalogue, with_fields(catalogue, channels=[each for each in catalogue.channels if each is not gone])
    )


def with_event(catalogue: Catalogue, event: EventDefinition) -> Catalogue:
    """Return the catalogue with one more event. It gets the global properties of its channel; the channel's other events get its global properties.

    Raises:
        UsageError: there is already an event of that code.
    """
    if event.code in catalogue.events_by_code:
        raise UsageError(f"event {event.code!r}: found one of that code; expected each event code once in a workspace")
    there = [each for other in catalogue.events_of(event.channel) for each in other.properties]
    event = _with_properties(event, _global(there))
    return _spread(with_fields(catalogue, events=[*catalogue.events, event]), event)


def with_event_edited(
    catalogue: Catalogue,
    code: str,
    *,
    name: str | None = None,
    property_names: Mapping[str, str] | None = None,
    new_properties: Sequence[EventProperty] = (),
) -> Catalogue:
    """Return the catalogue with an event edited: its name, the names of properties, and new properties.

    The name of a global property changes on all events of the channel.

    Raises:
        UsageError: there is no such event or property, a new property exists already, or the console would refuse the edit.
    """
    event, renamed = known_event(catalogue, code), dict(property_names or {})
    ids = [each.id for each in event.properties]
    for property_id in renamed:
        if property_id not in ids:
            raise UsageError(
                f"event {code!r}: found no property {property_id!r}{did_you_mean(property_id, ids)}; expected one of {', '.join(ids) or 'none: it has none'}"
            )
    for each in new_properties:
        if each.id in ids:
            raise UsageError(f"event {code!r}: found the property {each.id!r} already; expected a new property ID")
    changed = with_fields(event, name=event.name if name is None else name)
    events = [_renamed(changed if each is event else each, event, renamed) for each in catalogue.events]
    events = [_with_properties(each, new_properties) if each.code == code else each for each in events]
    new = with_fields(catalogue, events=events)
    return _allowed(catalogue, _spread(new, new.events_by_code[code]))


def without_event(catalogue: Catalogue, code: str) -> Catalogue:
    """Return the catalogue without an event. Raises as `with_event_edited` does."""
    gone = known_event(catalogue, code)
    return _allowed(catalogue, with_fields(catalogue, events=[each for each in catalogue.events if each is not gone]))


def known_event(catalogue: Catalogue, code: str) -> EventDefinition:
    """Return the event of a code.

    Raises:
        UsageError: there is no event of that code.
    """
    if (event := catalogue.events_by_code.get(code)) is None:
        near = did_you_mean(code, catalogue.events_by_code)
        raise UsageError(f"event {code!r}: found none of that code{near}; expected one that `events list` shows")
    return event


def known_channel(catalogue: Catalogue, name: str) -> Channel:
    """Return the channel of a name.

    Raises:
        UsageError: there is no channel of that name.
    """
    channel = catalogue.channels_by_name.get(name)
    if channel is None:
        near = did_you_mean(name, catalogue.channels_by_name)
        raise UsageError(
            f"channel {name!r}: found none of that name{near}; expected one that `events channel list` shows"
        )
    return channel


def _allowed(old: Catalogue, new: Catalogue) -> Catalogue:
    if refused := refusals(old, new):
        raise UsageError("the console would refuse this: " + "; ".join(map(str, refused)))
    return new


def _renamed(each: EventDefinition, event: EventDefinition, names: Mapping[str, str]) -> EventDefinition:
    """Return an event with its properties renamed. On another event of the channel, only the shared global properties are renamed."""
    shared = {
        one.id: names[one.id]
        for one in event.properties
        if one.id in names and (each.code == event.code or one.scope is PropertyScope.GLOBAL)
    }
    if not shared or each.channel != event.channel:
        return each
    return with_fields(
        each, properties=[with_fields(one, name=shared.get(one.id, one.name)) for one in each.properties]
    )


def _spread(catalogue: Catalogue, event: EventDefinition) -> Catalogue:
    """Return the catalogue with the global properties of an event on all events of its channel, as the console adds them."""
    shared = _global(event.properties)
    events = [_with_properties(each, shared) if each.channel == event.channel else each for each in catalogue.events]
    return with_fields(catalogue, events=events) if shared else catalogue


def _global(properties: Iterable[EventProperty]) -> list[EventProperty]:
    return list({each.id: each for each in properties if each.scope is PropertyScope.GLOBAL}.values())


def _with_properties(event: EventDefinition, more: Iterable[EventProperty]) -> EventDefinition:
    added = [each for each in more if event.property_of(each.id) is None]
    return with_fields(event, properties=[*event.properties, *added]) if added else event


def with_fields(model: Model, **changed: Any) -> Model:
    """Return a model with some fields changed. It is constructed again, because a copy would keep the cached values of the old fields."""
    return model.__class__(**{**{name: getattr(model, name) for name in model.__class__.model_fields}, **changed})
