"""The changes between two catalogues, and those that the console would refuse (the vendor's page, "Custom events" and "Manage events").

Only these can be edited: an event's name, the names of its properties, new properties of it, and the name of a channel that Quick Tracking does not collect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from pipeline.catalogue.matching import pair_channels
from schemas.catalogue import Catalogue, Channel, EventDefinition, Origin

_CHANNEL_KEYS = ("app_key", "application_type", "quick_tracking", "platform_type")


KEPT_ELSEWHERE = "it is kept in Quick Tracking, and the console only lists it"


class ChangeKind(StrEnum):
    """The kind of a change; the value is the sign that a person sees."""

    ADDED = "+"
    DELETED = "-"
    EDITED = "~"


class Change(NamedTuple):
    """One change, for a person. `refused` says why the console would refuse it; it is empty if the console would not."""

    kind: ChangeKind
    what: str
    refused: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.refused}" if self.refused else self.what


def changes(old: Catalogue, new: Catalogue) -> list[Change]:
    """Return every change of channels, events and tasks. `new` may break the rules between them."""
    pairs = pair_channels(old.channels, new.channels)
    found = [change for place, one in enumerate(old.channels) for change in _channel(one, pairs.get(place), old, new)]
    kept = {id(each) for each in pairs.values()}
    found += [Change(ChangeKind.ADDED, f"channel {each.name!r} added") for each in new.channels if id(each) not in kept]
    new_names = {one.name: pairs[place].name for place, one in enumerate(old.channels) if place in pairs}
    for event in old.events:
        after = new.events_by_code.get(event.code)
        found += [_deleted(event, old, new)] if after is None else _event(event, after, old, new, new_names)
    found += [_added(each, new) for each in new.events if each.code not in old.events_by_code]
    return [*found, *_tasks(old, new)]


def refusals(old: Catalogue, new: Catalogue) -> list[Change]:
    """Return the changes that the console would refuse."""
    return [each for each in changes(old, new) if each.refused]


def _channel(one: Channel, after: Channel | None, old: Catalogue, new: Catalogue) -> Iterator[Change]:
    here = f"channel {one.name!r}"
    left = [each.code for each in old.events_of(one.name) if each.code in new.events_by_code]
    elsewhere = KEPT_ELSEWHERE if one.quick_tracking else ""
    if after is None:
        events = (
            f"it has the events {_shortened_list(left)}; only a channel without events can be deleted" if left else ""
        )
        yield Change(ChangeKind.DELETED, f"{here} deleted", elsewhere or events)
        return
    if after.name != one.name:
        yield Change(ChangeKind.EDITED, f"{here}: name changed to {after.name!r}", elsewhere)
    for key in _CHANNEL_KEYS:
        before, now = getattr(one, key), getattr(after, key)
        if before == now:
            continue
        # A channel without events can be deleted and created again.
        fixed = elsewhere or ("of a channel only the name can be edited" if left else "")
        is_first_app_key = key == "app_key" and before is None  # the channel always had one, but the file lacked it
        what = f"{here}: {key} changed from {_shown(before)} to {_shown(now)}"
        yield Change(ChangeKind.EDITED, what, "" if is_first_app_key else fixed)


def _deleted(event: EventDefinition, old: Catalogue, new: Catalogue) -> Change:
    what = f"event {event.code!r} deleted"
    if old.origin_of(event) is Origin.SYSTEM:
        return Change(ChangeKind.DELETED, what, "a system default event cannot be deleted")
    tasks = [each.name for each in new.tasks_using(event.code)]
    used = f"{_tasks_use(tasks)} it; only an event that no task uses can be deleted"
    return Change(ChangeKind.DELETED, what, used if tasks else "")


def _added(event: EventDefinition, new: Catalogue) -> Change:
    is_system = new.origin_of(event) is Origin.SYSTEM
    return Change(ChangeKind.ADDED, f"event {event.code!r} added" + (", a system default event" if is_system else ""))


def _event(
    event: EventDefinition, after: EventDefinition, old: Catalogue, new: Catalogue, new_names: Mapping[str, str]
) -> Iterator[Change]:
    here = f"event {event.code!r}"
    origin = old.origin_of(event)
    system = "a system default event cannot be edited" if origin is Origin.SYSTEM else ""
    fixed = system or "of an event only its name, the names of its properties and new properties can be edited"
    if after.name != event.name:
        yield Change(ChangeKind.EDITED, f"{here}: name changed from {event.name!r} to {after.name!r}", system)
    if after.channel != new_names.get(event.channel, event.channel):
        yield Change(ChangeKind.EDITED, f"{here}: channel changed from {event.channel!r} to {after.channel!r}", fixed)
    elif (now := new.origin_of(after)) is not origin and _is_change_of_event(event, after, old, new):
        yield Change(ChangeKind.EDITED, f"{here}: origin changed from {origin} to {now}", fixed)
    for each in event.properties:
        named = f"{here}: property {each.id!r}"
        other = after.property_of(each.id)
        if other is None:
            yield Change(ChangeKind.DELETED, f"{named} removed", system or "properties of an event cannot be removed")
            continue
        if other.name != each.name:
            yield Change(ChangeKind.EDITED, f"{named}: name changed from {each.name!r} to {other.name!r}", system)
        for key in ("type", "scope"):
            if getattr(other, key) != getattr(each, key):
                yield Change(
                    ChangeKind.EDITED,
                    f"{named}: {key} changed from {getattr(each, key)} to {getattr(other, key)}",
                    fixed,
                )
    for each in after.properties:
        if event.property_of(each.id) is None:
            yield Change(ChangeKind.ADDED, f"{here}: property {each.id!r} added", system)


def _tasks(old: Catalogue, new: Catalogue) -> Iterator[Change]:
    """Yield the changes of tasks. None is refused: tasks are edited elsewhere in the console, and the file only lists them."""
    before, after = _used(old), _used(new)
    for name, codes in before.items():
        if name not in after:
            yield Change(ChangeKind.DELETED, f"task {name!r} deleted")
            continue
        if more := sorted(after[name] - codes):
            yield Change(ChangeKind.EDITED, f"task {name!r}: uses {_shortened_list(more)}")
        if less := sorted(codes - after[name]):
            yield Change(ChangeKind.EDITED, f"task {name!r}: no longer uses {_shortened_list(less)}")
    yield from (Change(ChangeKind.ADDED, f"task {name!r} added") for name in after if name not in before)


def _used(catalogue: Catalogue) -> dict[str, set[str]]:
    """Return the event codes that tasks use, by the task's name. Several tasks may have the same name."""
    used: dict[str, set[str]] = {}
    for each in catalogue.tasks:
        used.setdefault(each.name, set()).update(each.events)
    return used


def _is_change_of_event(event: EventDefinition, after: EventDefinition, old: Catalogue, new: Catalogue) -> bool:
    """Return whether an origin changed by the event itself. If its channel changed or was deleted, that change is reported instead."""
    before, now = old.channel_of(event), new.channel_of(after)
    return event.origin != after.origin or (
        before is not None and now is not None and before.quick_tracking == now.quick_tracking
    )


def _tasks_use(tasks: list[str]) -> str:
    one = len(tasks) == 1
    return f"the automated marketing task{'' if one else 's'} {_shortened_list([repr(each) for each in tasks])} use{'s' if one else ''}"


def _shortened_list(names: list[str]) -> str:
    most = 5
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
