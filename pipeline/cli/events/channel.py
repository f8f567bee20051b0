"""`log2mq events channel`: the channels of an event catalogue."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.catalogue import edits
from pipeline.catalogue.file import read_catalogue, read_or_new
from pipeline.cli.events.rows import build, catalogue_argument, print_rows
from pipeline.cli.say import say
from schemas.catalogue import ApplicationType, Channel

name_argument = click.argument("name", metavar="NAME")


@click.group()
def channel() -> None:
    """List and edit the channels of a catalogue."""


@channel.command("list")
@catalogue_argument
def list_channels(file: Path) -> None:
    """List the channels of FILE."""
    catalogue = read_catalogue(file).catalogue
    rows = [
        (
            each.name,
            each.application_type.value,
            each.app_key or "",
            ("yes" if each.quick_tracking else "no") + (f", {each.platform_type}" if each.platform_type else ""),
            str(len(catalogue.events_of(each.name))),
        )
        for each in catalogue.channels
    ]
    print_rows(("name", "application type", "APP_KEY", "Quick Tracking", "events"), rows)


@channel.command("add")
@catalogue_argument
@name_argument
@click.option(
    "--application-type",
    required=True,
    type=click.Choice([each.value for each in ApplicationType]),
    help="What kind of application it is.",
)
@click.option("--app-key", help="Its APP_KEY, which events name as their eventSourceCode.")
@click.option("--quick-tracking", is_flag=True, help="Quick Tracking collects its events.")
@click.option("--platform-type", help="Its platform type in Quick Tracking (app or mini program).")
def add_channel(
    file: Path,
    name: str,
    application_type: str,
    app_key: str | None,
    platform_type: str | None,
    *,
    quick_tracking: bool,
) -> None:
    """Add the channel NAME to FILE, which is created if it does not exist."""
    written = read_or_new(file)
    new_channel = build(
        lambda: Channel(
            name=name,
            application_type=ApplicationType(application_type),
            app_key=app_key,
            quick_tracking=quick_tracking,
            platform_type=platform_type,
        ),
        argument="name",
    )
    written.save(edits.with_channel(written.catalogue, new_channel))
    say(f"{file}: channel {name!r} added")


@channel.command("edit")
@catalogue_argument
@name_argument
@click.option("--name", "new_name", required=True, help="Its new name.")
def edit_channel(file: Path, name: str, new_name: str) -> None:
    """Rename the channel NAME of FILE; its events stay under it. The console allows no other edit, and none of a Quick Tracking channel."""
    written = read_catalogue(file)
    written.save(build(lambda: edits.with_channel_renamed(written.catalogue, name, new_name)))
    say(f"{file}: channel {name!r} is now {new_name!r}")


@channel.command("delete")
@catalogue_argument
@name_argument
def delete_channel(file: Path, name: str) -> None:
    """Delete the channel NAME from FILE, if it has no events."""
    written = read_catalogue(file)
    written.save(edits.without_channel(written.catalogue, name))
    say(f"{file}: channel {name!r} deleted")
