"""`log2mq events`: lists and edits the event catalogue, as Event Management of the console does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from pipeline.catalogue import edits
from pipeline.catalogue.changes import changes
from pipeline.catalogue.file import read_as_far_as_valid, read_catalogue, read_or_new
from pipeline.catalogue.rules import did_you_mean
from pipeline.cli.events.channel import channel
from pipeline.cli.events.exchange import export_events, import_events
from pipeline.cli.events.rows import build, catalogue_argument, counted, print_rows
from pipeline.cli.say import say
from pipeline.errors import UsageError
from schemas.catalogue import Catalogue, EventDefinition, EventProperty, Origin, PropertyScope, PropertyType

code_argument = click.argument("code", metavar="CODE")

property_option = click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="ID:TYPE:NAME",
    help="A property: its ID, text or numeric, and its name (amount:numeric:Amount). May be given several times.",
)
global_property_option = click.option(
    "--global-property",
    "global_properties",
    multiple=True,
    metavar="ID:TYPE:NAME",
    help="A property of all events of the channel, written likewise. Quick Tracking must collect the channel.",
)


@click.group()
def events() -> None:
    """List and edit an event catalogue: the channels and events of a workspace, in a YAML file.

    Edits that Event Management of the console would refuse are refused here. Files keep their comments and their order.
    """


@events.command("list")
@catalogue_argument
@click.option("--search", default="", help="Only events with this text in their name or code.")
@click.option("--channel", "channel_name", default="", help="Only events of this channel (or feature module).")
@click.option("--origin", type=click.Choice([each.value for each in Origin]), help="Only events of this origin.")
def list_events(file: Path, search: str, channel_name: str, origin: str | None) -> None:
    """List the events of FILE."""
    catalogue = read_catalogue(file).catalogue
    names = {*catalogue.channels_by_name, *(each.channel for each in catalogue.events)}
    if channel_name and channel_name not in names:
        near = did_you_mean(channel_name, names)
        raise UsageError(
            f"--channel: found {channel_name!r}, a channel that is not listed{near}; expected one of {', '.join(sorted(names))}"
        )
    text = search.casefold()
    rows = [
        (event.code, event.name, event.channel, catalogue.origin_of(event).value, str(len(event.properties)))
        for event in catalogue.events
        if (text in event.code.casefold() or text in event.name.casefold())
        and channel_name in {"", event.channel}
        and origin in {None, catalogue.origin_of(event).value}
    ]
    print_rows(("code", "name", "channel", "origin", "properties"), rows)


@events.command()
@catalogue_argument
@code_argument
def show(file: Path, code: str) -> None:
    """Show the event CODE of FILE, with its channel, its properties, and the tasks that use it."""
    catalogue = read_catalogue(file).catalogue
    event = edits.known_event(catalogue, code)
    say(f"{event.code}: {event.name}")
    say(f"origin: {catalogue.origin_of(event)}")
    say(f"channel: {event.channel}{_channel_says(catalogue, event)}")
    if tasks := [each.name for each in catalogue.tasks_using(code)]:
        say(f"used by the automated marketing tasks: {', '.join(tasks)}")
    rows = [(each.id, each.name, each.type.value, each.scope.value) for each in event.properties]
    if rows:
        print_rows(("property ID", "name", "type", "scope"), rows)
    else:
        say("no properties")


def _channel_says(catalogue: Catalogue, event: EventDefinition) -> str:
    listed = catalogue.channel_of(event)
    if listed is None:
        return " (a feature module)"
    parts = [listed.application_type.value, *([f"APP_KEY {listed.app_key}"] if listed.app_key else [])]
    if listed.quick_tracking:
        parts.append("collected by Quick Tracking" + (f", {listed.platform_type}" if listed.platform_type else ""))
    return f" ({', '.join(parts)})"


@events.command()
@catalogue_argument
@code_argument
@click.option("--name", required=True, help="The event's name.")
@click.option("--channel", "channel_name", required=True, help="Its channel's name, or that of a feature module.")
@click.option(
    "--origin",
    type=click.Choice([each.value for each in Origin]),
    help="`system` for an event of a feature module; else what the channel says.",
)
@property_option
@global_property_option
def add(
    file: Path,
    code: str,
    name: str,
    channel_name: str,
    origin: str | None,
    properties: Sequence[str],
    global_properties: Sequence[str],
) -> None:
    """Add the event CODE to FILE, which is created if it does not exist."""
    own = _properties(properties, global_properties)
    event = build(
        lambda: EventDefinition(
            code=code, name=name, channel=channel_name, origin=Origin(origin) if origin else None, properties=own
        ),
        argument="code",
    )
    written = read_or_new(file)
    written.save(edits.with_event(written.catalogue, event))
    say(f"{file}: event {code!r} added")


@events.command()
@catalogue_argument
@code_argument
@click.option("--name", help="The new name of the event.")
@click.option("--property-name", "names", multiple=True, metavar="ID=NAME", help="The new name of a property.")
@property_option
@global_property_option
def edit(
    file: Path,
    code: str,
    name: str | None,
    names: Sequence[str],
    properties: Sequence[str],
    global_properties: Sequence[str],
) -> None:
    """Edit the event CODE of FILE. Its name, the names of its properties, and new properties: the console allows nothing else."""
    if name is None and not (names or properties or global_properties):
        raise UsageError("found nothing to edit; expected --name, --property-name, --property or --global-property")
    written = read_catalogue(file)
    added = _properties(properties, global_properties)
    renamed = dict(map(_renaming, names))
    if len(renamed) < len(names):
        raise UsageError("--property-name: found one property twice; expected each once")
    written.save(
        build(
            lambda: edits.with_event_edited(
                written.catalogue, code, name=name, property_names=renamed, new_properties=added
            )
        )
    )
    say(f"{file}: event {code!r} edited")


@events.command()
@catalogue_argument
@code_argument
def delete(file: Path, code: str) -> None:
    """Delete the event CODE from FILE, unless an automated marketing task uses it."""
    written = read_catalogue(file)
    written.save(edits.without_event(written.catalogue, code))
    say(f"{file}: event {code!r} deleted")


@events.command("check")
@catalogue_argument
def check_events(file: Path) -> None:
    """Check FILE and print all faults at once, each with file, line and key."""
    say(f"{file}: ok: {counted(read_catalogue(file).catalogue)}")


@events.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
def diff(old: Path, new: Path) -> None:
    """Print the changes from the catalogue OLD to NEW. The exit code is 2 if the console would refuse one of them."""
    after, faults = read_as_far_as_valid(new)
    found = changes(read_catalogue(old).catalogue, after)
    for each in found:
        say(f"{each.kind} {each.what}" + (" (refused)" if each.refused else ""))
    if refused := [f"{new}: the console would refuse: {each}" for each in found if each.refused] + faults:
        raise UsageError(*refused)
    count = "1 change" if len(found) == 1 else f"{len(found):,} changes"
    say(f"{count}, nothing that the console would refuse" if found else "no change")


def _properties(of_event: Sequence[str], of_channel: Sequence[str]) -> list[EventProperty]:
    pairs = [(each, PropertyScope.EVENT) for each in of_event] + [(each, PropertyScope.GLOBAL) for each in of_channel]
    return [_property(written, scope) for written, scope in pairs]


def _property(written: str, scope: PropertyScope) -> EventProperty:
    property_id, _, rest = written.partition(":")
    kind, _, name = rest.partition(":")
    option = "--property" if scope is PropertyScope.EVENT else "--global-property"
    if kind not in set(PropertyType) or not name:
        raise UsageError(
            f"{option}: found {written!r}; expected ID:TYPE:NAME with the type text or numeric, such as amount:numeric:Amount"
        )
    return build(lambda: EventProperty(id=property_id, name=name, type=PropertyType(kind), scope=scope), option=option)


def _renaming(written: str) -> tuple[str, str]:
    property_id, equals, name = written.partition("=")
    if not equals or not name:
        raise UsageError(f"--property-name: found {written!r}; expected ID=NAME, such as amount=Amount")
    build(lambda: EventProperty(id=property_id, name=name, type=PropertyType.TEXT), option="--property-name")
    return property_id, name


for command in (channel, import_events, export_events):
    events.add_command(command)
