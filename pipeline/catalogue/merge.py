"""Merges another catalogue into one: adds its new parts, and changes no existing part."""

from __future__ import annotations

from pipeline.catalogue.changes import ChangeKind, changes
from pipeline.catalogue.edits import with_channel, with_event, with_event_edited, with_fields
from pipeline.catalogue.matching import pair_channels
from schemas.catalogue import Catalogue, Origin


def merged(old: Catalogue, more: Catalogue) -> tuple[Catalogue, list[str]]:
    """Return `old` with the channels, events and properties that only `more` has. The sentences say which differences are kept as in `old`."""
    kept = [
        f"kept as it is, though the import would have: {each.what}"
        for each in changes(old, more)
        if each.kind is ChangeKind.EDITED
    ]
    pairs = pair_channels(old.channels, more.channels)
    named = {each.name: old.channels[place].name for place, each in pairs.items()}
    new = old
    for channel in more.channels:
        if channel.name not in named:
            new = with_channel(new, channel)
    for each in more.events:
        event = with_fields(each, channel=named.get(each.channel, each.channel))
        there = new.events_by_code.get(event.code)
        if there is None:
            new = with_event(new, event)
            continue
        added = [one for one in event.properties if there.property_of(one.id) is None]
        if added and old.origin_of(there) is Origin.SYSTEM:
            kept.append(f"kept as it is: event {event.code!r}, a system default event, which cannot be edited")
        elif added:
            new = with_event_edited(new, event.code, new_properties=added)
    return new, kept
