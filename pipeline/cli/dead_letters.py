"""`log2mq dead-letters`: what was refused and why, one of them whole, and what the mapping of now would make of it."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from pipeline.cli.explain import explain_record
from pipeline.cli.letter_options import selecting
from pipeline.cli.options import source_argument
from pipeline.cli.redrive import redrive
from pipeline.cli.say import say
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.values import Partition
from pipeline.dead_letters.letter import OWN_HEADERS, DeadLetter
from pipeline.dead_letters.selection import Selection, count_by_reason
from pipeline.errors import UsageError
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.observe.console import output, plain_table

MOST_LISTED = 50


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at what a source refused: by reason, one by one, or one of them whole."""


@dead_letters.command("stats")
@source_argument
@selecting
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def count_letters(source: SourceFile, selection: Selection, newest: int, *, as_json: bool) -> None:
    """Count dead letters by stage, reason and API code, with an example of each."""
    with _reading(source, selection, newest) as letters:
        counts = count_by_reason(letters)
    if as_json:
        for each in counts:
            say(orjson.dumps(each.as_dict()).decode())
        return
    table = plain_table(
        "reason",
        "stage",
        "API code",
        "letters",
        "first refused",
        "last refused",
        "example",
        "reason of it",
        right=["letters"],
    )
    for each in counts:
        example = each.example
        cells = (
            example.reason,
            example.stage,
            example.api_code or "-",
            f"{each.letters:,}",
            _moment(each.first_ms),
            _moment(each.last_ms),
        )
        table.add_row(*cells, example.place, example.text)
    output().print(table)
    total = sum(each.letters for each in counts)
    say(f"{total:,} dead letters of {source.source} in {source.dead_letters.topic}")


@dead_letters.command("list")
@source_argument
@selecting
@click.option(
    "--most", default=MOST_LISTED, show_default=True, type=click.IntRange(1), help="How many are listed: the newest."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_letters(source: SourceFile, selection: Selection, newest: int, most: int, *, as_json: bool) -> None:
    """List dead letters, the newest last. No content of a record is shown."""
    with _reading(source, selection, newest) as letters:
        found = sorted(letters, key=lambda each: each.refused_at)
    shown = found[-most:]
    if as_json:
        for each in shown:
            say(orjson.dumps(each.as_dict()).decode())
        return
    table = plain_table("dead letter", "refused", "record", "stage", "reason", "API code", "reason in words")
    for each in shown:
        table.add_row(
            each.place,
            _moment(each.refused_at),
            each.origin_place,
            each.stage,
            each.reason,
            each.api_code or "-",
            each.text,
        )
    output().print(table)
    if len(found) > len(shown):
        say(f"{len(found) - len(shown):,} older ones are not listed (--most)")


@dead_letters.command("show")
@source_argument
@click.argument("place", metavar="PLACE")
@click.option(
    "--show-identifiers",
    is_flag=True,
    help="Show customer IDs and identities as they are. Mind who can see your screen.",
)
def show_letter(source_file: Path, place: str, *, show_identifiers: bool) -> None:
    """Show the dead letter at PLACE (`topic:partition:offset`, or `partition:offset`), and what the mapping of now would make of its record."""
    source = load_source(source_file, os.environ)
    letter = _letter_at(source, place)
    say(f"── dead letter {letter.place}", bold=True)
    if letter.source != source.source:
        say(f"it is of the source {letter.source}, not of {source.source}")
    for name, value in letter.record.headers or ():
        if name in OWN_HEADERS:
            say(f"  {name:<22} {(value or b'').decode(errors='replace')}")
    if letter.is_cut:
        say("the value is not whole; the record itself is at its place in its topic, as long as that keeps it")
    say(f"── through {source_file} as it is now", bold=True)
    explain_record(source, letter.original(), show_identifiers=show_identifiers)


@dead_letters.command("export")
@source_argument
@selecting
@click.option(
    "--with-content",
    is_flag=True,
    help="With keys, values and headers of the records. They hold identifiers of people.",
)
def export_letters(source: SourceFile, selection: Selection, newest: int, *, with_content: bool) -> None:
    """Write dead letters as JSON, one object a line, to standard output."""
    with _reading(source, selection, newest) as letters:
        for each in letters:
            content = _content(each) if with_content else {}
            say(orjson.dumps({**each.as_dict(), **content}).decode())


dead_letters.command("redrive")(redrive)


def _content(letter: DeadLetter) -> dict[str, Any]:
    """Return the content of the refused record, in base64: it may be any bytes."""
    original = letter.original()
    headers = [[name, None if value is None else base64.b64encode(value).decode()] for name, value in original.headers]
    key, value = (None if each is None else base64.b64encode(each).decode() for each in (original.key, original.value))
    return {"key_base64": key, "value_base64": value, "headers_base64": headers}


@contextmanager
def _reading(source: SourceFile, selection: Selection, newest: int) -> Iterator[Iterator[DeadLetter]]:
    """Yield the selected dead letters among the newest records of the topic, while the block lasts."""
    topic = source.dead_letters.topic
    with KafkaAdmin(source.kafka.model_copy(update={"topics": (topic,), "topic_pattern": None}), os.environ) as topics:
        if not topics.exists(topic):
            raise UsageError(
                f"dead_letters.topic: found {topic!r}, which does not exist; expected the topic of the dead letters"
            )
        letters = map(DeadLetter.read, topics.latest_records(newest))
        yield (each for each in letters if each is not None and selection.has(each))


def _letter_at(source: SourceFile, place: str) -> DeadLetter:
    """Return the dead letter at a place.

    Raises:
        UsageError: the place is none, or has no dead letter.
    """
    *topic, partition, offset = [source.dead_letters.topic, *place.split(":")][-3:]
    if not (partition.isdecimal() and offset.isdecimal() and len(offset) < 19):  # noqa: PLR2004 - fits 64 bits
        raise UsageError(
            f"PLACE: found {place!r}; expected a place such as {source.dead_letters.topic}:0:1234, as `list` shows it"
        )
    with KafkaAdmin(source.kafka, os.environ) as topics:
        letter = DeadLetter.read(topics.record_at(Partition(topic[0], int(partition)), int(offset)))
    if letter is None:
        raise UsageError(f"PLACE: the record at {place} is no dead letter of log2mq; expected one that `list` shows")
    return letter


def _moment(time_ms: int) -> str:
    return "-" if time_ms < 0 else datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
