"""What changed between two catalogues, and which of it the console would refuse (the vendor's page, "Custom events" and "Manage events").

Of an event its name, the names of its properties and new properties; of a channel that Quick Tracking does not collect its name: nothing else can be edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from pipeline.catalogue.matching import pair_channels
from schemas.catalogue import Catalogue, Channel, EventDefinition, Origin

_CHANNEL_KEYS = ("app_key", "application_type", "quick_tracking", "platform_type")


KEPT_ELSEWHERE = "it is kept in Quick Tracking, and the console only lists it"


class Sort(StrEnum):
    """Whether something came, went, or is otherwise than it was."""

    ADDED = "+"
    DELETED = "-"
    EDITED = "~"


class Change(NamedTuple):
    """One change, for a person. `refused` says why the console would refuse it; empty where it would not."""

    sort: Sort
    what: str
    refused: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.refused}" if self.refused else self.what


def changes(old: Catalogue, new: Catalogue) -> list[Change]:
    """Return every change: of channels, events and tasks. `new` need not keep to the rules between them."""
    pairs = pair_channels(old.channels, new.channels)
    found = [change for place, one in enumerate(old.channels) for change in _channel(one, pairs.get(place), old, new)]
    kept = {id(each) for each in pairs.values()}
    found += [Change(Sort.ADDED, f"channel {each.name!r} added") for each in new.channels if id(each) not in kept]
    became = {one.name: pairs[place].name for place, one in enumerate(old.channels) if place in pairs}
    for event in old.events:
        after = new.events_by_code.get(event.code)
        found += [_deleted(event, old, new)] if after is None else _event(event, after, old, new, became)
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
        events = f"it has the events {_few(left)}; only a channel without events can be deleted" if left else ""
        yield Change(Sort.DELETED, f"{here} deleted", elsewhere or events)
        return
    if after.name != one.name:
        yield Change(Sort.EDITED, f"{here}: name changed to {after.name!r}", elsewhere)
    for key in _CHANNEL_KEYS:
        before, now = getattr(one, key), getattr(after, key)
        if before == now:
            continue
        # Without events it may be deleted and made anew.
        fixed = elsewhere or ("of a channel only the name can be edited" if left else "")
        is_learned = key == "app_key" and before is None  # Quick Tracking had it all along, the file did not
        what = f"{here}: {key} changed from {_shown(before)} to {_shown(now)}"
        yield Change(Sort.EDITED, what, "" if is_learned else fixed)


def _deleted(event: EventDefinition, old: Catalogue, new: Catalogue) -> Change:
    what = f"event {event.code!r} deleted"
    if old.origin_of(event) is Origin.SYSTEM:
        return Change(Sort.DELETED, what, "a system default event cannot be deleted")
    tasks = [each.name for each in new.tasks_using(event.code)]
    used = f"{_tasks_use(tasks)} it; only an event that no task uses can be deleted"
    return Change(Sort.DELETED, what, used if tasks else "")


def _added(event: EventDefinition, new: Catalogue) -> Change:
    is_system = new.origin_of(event) is Origin.SYSTEM
    return Change(Sort.ADDED, f"event {event.code!r} added" + (", a system default event" if is_system else ""))


def _event(
    event: EventDefinition, after: EventDefinition, old: Catalogue, new: Catalogue, became: Mapping[str, str]
) -> Iterator[Change]:
    here = f"event {event.code!r}"
    origin = old.origin_of(event)
    system = "a system default event cannot be edited" if origin is Origin.SYSTEM else ""
    fixed = system or "of an event only its name, the names of its properties and new properties can be edited"
    if after.name != event.name:
        yield Change(Sort.EDITED, f"{here}: name changed from {event.name!r} to {after.name!r}", system)
    if after.channel != became.get(event.channel, event.channel):
        yield Change(Sort.EDITED, f"{here}: channel changed from {event.channel!r} to {after.channel!r}", fixed)
    elif (now := new.origin_of(after)) is not origin and _is_its_own(event, after, old, new):
        yield Change(Sort.EDITED, f"{here}: origin changed from {origin} to {now}", fixed)
    for each in event.properties:
        named = f"{here}: property {each.id!r}"
        other = after.property_of(each.id)
        if other is None:
            yield Change(Sort.DELETED, f"{named} removed", system or "properties of an event cannot be removed")
            continue
        if other.name != each.name:
            yield Change(Sort.EDITED, f"{named}: name changed from {each.name!r} to {other.name!r}", system)
        for key in ("type", "scope"):
            if getattr(other, key) != getattr(each, key):
                yield Change(
                    Sort.EDITED, f"{named}: {key} changed from {getattr(each, key)} to {getattr(other, key)}", fixed
                )
    for each in after.properties:
        if event.property_of(each.id) is None:
            yield Change(Sort.ADDED, f"{here}: property {each.id!r} added", system)


def _tasks(old: Catalogue, new: Catalogue) -> Iterator[Change]:
    """Nothing of them is refused: they are edited elsewhere in the console, and the file only takes notice."""
    before, after = _used(old), _used(new)
    for name, codes in before.items():
        if name not in after:
            yield Change(Sort.DELETED, f"task {name!r} deleted")
            continue
        if more := sorted(after[name] - codes):
            yield Change(Sort.EDITED, f"task {name!r}: uses {_few(more)}")
        if less := sorted(codes - after[name]):
            yield Change(Sort.EDITED, f"task {name!r}: uses {_few(less)} no more")
    yield from (Change(Sort.ADDED, f"task {name!r} added") for name in after if name not in before)


def _used(catalogue: Catalogue) -> dict[str, set[str]]:
    """Return the codes that tasks use, by the task's name, which several may have."""
    used: dict[str, set[str]] = {}
    for each in catalogue.tasks:
        used.setdefault(each.name, set()).update(each.events)
    return used


def _is_its_own(event: EventDefinition, after: EventDefinition, old: Catalogue, new: Catalogue) -> bool:
    """Whether a change of origin is one of the event's own: where its channel changed or went, that has been said of the channel."""
    before, now = old.channel_of(event), new.channel_of(after)
    return event.origin != after.origin or (
        before is not None and now is not None and before.quick_tracking == now.quick_tracking
    )


def _tasks_use(tasks: list[str]) -> str:
    one = len(tasks) == 1
    return f"the automated marketing task{'' if one else 's'} {_few([repr(each) for each in tasks])} use{'s' if one else ''}"


def _few(names: list[str]) -> str:
    most = 5
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
