"""`log2mq events import` and `export`: the event catalogue from and to other forms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click
import orjson

from pipeline.authoring.catalogue_from_source import ChannelDefaults, catalogue_of
from pipeline.catalogue.edits import known_channel, with_fields
from pipeline.catalogue.file import read_catalogue, read_or_new
from pipeline.catalogue.merge import merged
from pipeline.catalogue.table import table_text
from pipeline.catalogue.table_reader import read_table
from pipeline.cli.events.rows import catalogue_argument, counted
from pipeline.cli.say import say, write_out
from pipeline.config.load import load_source
from pipeline.errors import UsageError
from schemas.catalogue import ApplicationType

CHARSETS = ("utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16")


@click.command("import")
@catalogue_argument
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    help="Add the content of this table, which has a row for each property.",
)
@click.option("--charset", type=click.Choice(CHARSETS), help="The table's character set.  [default: utf-8-sig]")
@click.option(
    "--source", "source_file", type=click.Path(path_type=Path), help="Add what the mapping of this source file uses."
)
@click.option("--channel", "channel_name", help="With --source: the channel of rules that name none.")
@click.option(
    "--application-type",
    type=click.Choice([each.value for each in ApplicationType]),
    help="With --source: the application type of new channels. Default: guessed.",
)
def import_events(
    file: Path,
    table: Path | None,
    charset: str | None,
    source_file: Path | None,
    channel_name: str | None,
    application_type: str | None,
) -> None:
    """Add the channels, events and properties of a CSV or a mapping to FILE.

    Entries that FILE has already stay as they are.
    """
    if (table is None) == (source_file is None):
        raise UsageError(
            "found both --csv and --source; expected one" if table else "found neither --csv nor --source; expected one"
        )
    _only_with("--csv", {"--charset": charset}, there=table is not None)
    _only_with(
        "--source", {"--channel": channel_name, "--application-type": application_type}, there=source_file is not None
    )
    written = read_or_new(file)
    known = written.catalogue
    notes: list[str] = []
    if table is not None:
        more = read_table(table, charset or "utf-8-sig", known.channels)
    else:
        assert source_file is not None  # noqa: S101 - one of the two is there
        if channel_name is not None:
            known_channel(known, channel_name)
        kind = ApplicationType(application_type) if application_type else None
        source = load_source(source_file, os.environ, with_catalogue=False)
        if source.transform is not None:
            raise UsageError(
                f"--source: found {source_file}, whose events a plug-in makes; expected one with rules, since what a plug-in makes only it knows"
            )
        more, notes = catalogue_of(source, known, ChannelDefaults(channel_name, kind))
    new, kept = merged(known, more)
    written.save(new)
    for note in [*notes, *kept]:
        say(f"note: {note}", err=True)
    say(f"{file}: now {counted(new)}; before {counted(known)}")


def _only_with(option: str, others: Mapping[str, str | None], *, there: bool) -> None:
    for name, value in others.items():
        if value is not None and not there:
            raise UsageError(f"{name}: found it without {option}; expected it with that only")


@click.command("export")
@catalogue_argument
@click.option(
    "--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True, help="The form."
)
@click.option(
    "--charset",
    type=click.Choice(CHARSETS),
    default="utf-8",
    show_default=True,
    help="The table's character set; Excel knows utf-8-sig.",
)
@click.option("--to", type=click.Path(path_type=Path), help="Write to this file. Default: standard output.")
def export_events(file: Path, form: str, charset: str, to: Path | None) -> None:
    """Write FILE as CSV or as JSON. A row of a CSV is a property; the tasks are not in it."""
    catalogue = read_catalogue(file).catalogue
    if to is not None and to.resolve() == file.resolve():
        raise UsageError(
            f"--to: found {to}, the catalogue itself; expected another file: a table has not all that is in it"
        )
    if form == "csv":
        try:
            content = table_text(catalogue).encode(charset)
        except UnicodeEncodeError:
            raise UsageError(
                f"--charset: found {charset!r}, which has no sign for some of the characters; expected utf-8"
            ) from None
    else:
        told = [with_fields(each, origin=catalogue.origin_of(each)) for each in catalogue.events]
        whole = with_fields(catalogue, events=told).model_dump(mode="json", exclude_none=True)
        content = orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if to is None:
        write_out(content)
        return
    try:
        to.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"--to: found a place that cannot be written ({error.strerror}); expected one that can"
        ) from None
