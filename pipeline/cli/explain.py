"""`log2mq explain`: one record, shown at every step, with identifiers and secrets masked."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.build import build_converter
from pipeline.cli.options import source_argument
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.convert import Converter, Draft, Partly
from pipeline.errors import UsageError
from pipeline.kafka_topics import Topics
from pipeline.observe.redact import redact
from pipeline.patience import answered
from pipeline.report.credentials import Credentials, CredentialsSource
from pipeline.report.explain import MASK, explain_request
from pipeline.secret import Secret
from pipeline.values import Partition
from schemas.log import LogEntry, RawRecord, Record
from schemas.refusal import Refusal
from transforms.base import Kind, Skipped
from transforms.mapping import Mapper

IDENTIFYING_KEY = "customerId"
"""Holds an identifier wherever it stands in a message."""

LEAST_WITHIN = 5
"""Characters that an identifier has at least to be looked for within longer texts: a shorter one is found everywhere."""

MOST_RECORD_BYTES = 64 << 20


@click.command()
@source_argument
@click.option(
    "--record",
    "place",
    metavar="FILE|-|TOPIC:PARTITION:OFFSET",
    default="-",
    show_default=True,
    help="Where the record is: a file, standard input, or a topic.",
)
@click.option(
    "--line", default=1, show_default=True, type=click.IntRange(1), help="Which line of the file or standard input."
)
@click.option("--whole", is_flag=True, help="Take the whole file for one record, however many lines it has.")
@click.option(
    "--show-identifiers",
    is_flag=True,
    help="Show customer IDs and identities as they are. Mind who can see your screen.",
)
def explain(source_file: Path, place: str, line: int, *, whole: bool, show_identifiers: bool) -> None:
    """Show one record of SOURCE_FILE at every step: decoded, each rule, messages, dedup key, signed request. Nothing is sent or remembered."""
    source = load_source(source_file, os.environ)
    record = read_record(source, place, 0 if whole else line)
    converter = build_converter(source, os.environ)
    answer: list[Draft] | Partly | Skipped | Refusal = answered(lambda: converter(record))
    _title(f"record {record.topic}:{record.partition}:{record.offset}, {len(record.value or b''):,} bytes")
    decoded: LogEntry | list[LogEntry | Refusal] | Skipped | Refusal = answered(lambda: converter.decode(record))
    if isinstance(decoded, Skipped | Refusal):
        _refused(decoded)
        return
    entries = decoded if isinstance(decoded, list) else [decoded]
    drafts = answer if isinstance(answer, list) else answer.drafts if isinstance(answer, Partly) else []
    show = _plain if show_identifiers else Masking(converter, entries, drafts)
    _entries(source, converter, entries, show)
    if isinstance(answer, Skipped | Refusal):
        _refused(answer)
        return
    _messages(source, drafts, show)
    if isinstance(answer, Partly):
        _refused(answer.refusal)


def _entries(
    source: SourceFile, converter: Converter, entries: Sequence[LogEntry | Refusal], show: Callable[[Any], str]
) -> None:
    formats = " → ".join(step.format for step in source.decode)
    for place, entry in enumerate(entries):
        _title(f"decoded ({formats})" + (f", entry {place} of {len(entries)}" if len(entries) > 1 else ""))
        if isinstance(entry, Refusal):
            click.echo(f"  refused, {entry.code}: {entry.reason}")
        else:
            click.echo(show(entry.fields))
            _rules(converter, entry)


def _messages(source: SourceFile, drafts: Sequence[Draft], show: Callable[[Any], str]) -> None:
    for draft in drafts:
        _title(f"{draft.kind.value} message")
        click.echo(show(json.loads(draft.body)))
        click.echo(
            f"dedup key {draft.claim.key.hex()}"
            + (f", version {draft.claim.digest.hex()}" if any(draft.claim.digest) else "")
        )
    for kind in Kind:
        if bodies := [draft.body for draft in drafts if draft.kind is kind]:
            _request(source, kind, bodies, show)


def read_record(source: SourceFile, place: str, line: int) -> Record:
    """Read the record from a file, standard input, or `topic:partition:offset`. `line` is from 1; 0 is the whole file.

    Raises:
        UsageError: it is not there.
    """
    topic, _, numbers = place.partition(":")
    partition, _, offset = numbers.partition(":")
    if partition.isdecimal() and offset.isdecimal() and not Path(place).exists():
        with Topics(source.kafka, os.environ) as topics:
            return topics.record_at(Partition(topic, int(partition)), int(offset))
    if place == "-":
        content = sys.stdin.buffer.read(MOST_RECORD_BYTES)
    else:
        try:
            with Path(place).open("rb") as stream:
                content = stream.read(MOST_RECORD_BYTES)
        except OSError as error:
            raise UsageError(
                f"--record: found {place!r}, which cannot be read ({error.strerror}); expected a file, - or TOPIC:PARTITION:OFFSET"
            ) from None
    lines = content.split(b"\n") if line else [content]
    if not content.strip() or line > len(lines):
        raise UsageError(f"--record: {place} has no line {line}")
    name = (source.kafka.topics or ("unknown",))[0]
    value = lines[line - 1].rstrip(b"\r") if line else content
    return RawRecord(name, 0, max(line - 1, 0), int(time.time() * 1000), None, value)


def _rules(converter: Converter, entry: LogEntry) -> None:
    if not isinstance(mapper := converter.transform, Mapper):
        return
    _title("rules")
    for trace in mapper.explain(entry):
        if not trace.matched:
            click.echo(f"  no   {trace.rule}: not {trace.failed}")
        elif trace.refusal is not None:
            click.echo(f"  yes  {trace.rule}: refused, {trace.refusal.code}: {trace.refusal.reason}")
        else:
            made = (
                ""
                if len(trace.messages) == 1
                else f": {len(trace.messages)} messages"
                if trace.messages
                else ": nothing to report"
            )
            click.echo(f"  yes  {trace.rule}{made}")


def _request(source: SourceFile, kind: Kind, bodies: list[bytes], show: Callable[[Any], str]) -> None:
    try:
        credentials, note = CredentialsSource(source.report.credentials, os.environ).current(), ""
    except UsageError:
        credentials, note = Credentials("none", Secret("none")), " (no credentials found: signed with a made-up key)"
    request = explain_request(source.report, credentials, kind, bodies)
    _title(f"signed request{note}")
    click.echo(f"POST {request.url}")
    click.echo("query   " + _plain(request.query))
    click.echo("headers " + _plain(request.headers))
    click.echo(f"body    {request.field} = " + show(request.messages))


def _refused(answer: Skipped | Refusal) -> None:
    if isinstance(answer, Skipped):
        _title(f"filtered: {answer.why}")
    else:
        _title(f"dead letter: {answer.code} at {answer.stage}: {answer.reason}")


def _title(text: str) -> None:
    click.secho(f"── {text}", bold=True)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


class Masking:
    """Shows values with every identifier masked: under its key, where the value is one the mapping takes for one, and what looks like one."""

    def __init__(self, converter: Converter, entries: Sequence[LogEntry | Refusal], drafts: Sequence[Draft]) -> None:
        """The identifiers are those in the messages, and those that any rule would read from an entry, whether it matched or not."""
        self._hidden = {each for draft in drafts for each in _identifiers(json.loads(draft.body))}
        if isinstance(mapper := converter.transform, Mapper):
            for entry in entries:
                self._hidden |= mapper.identifiers(entry) if isinstance(entry, LogEntry) else set()
        self._telling = sorted((each for each in self._hidden if len(each) >= LEAST_WITHIN), key=len, reverse=True)

    def __call__(self, value: Any) -> str:
        """Return the value as JSON for a person, masked."""
        return redact(_plain(self._masked(value)))

    def _masked(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                key: MASK if key == IDENTIFYING_KEY and not isinstance(each, Mapping | list) else self._masked(each)
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._masked(each) for each in value]
        if isinstance(value, str | int) and str(value) in self._hidden:
            return MASK
        if isinstance(value, str):
            for each in self._telling:
                value = value.replace(each, MASK)
        return value


def _identifiers(message: dict[str, Any]) -> set[str]:
    """Return the identifiers in a message: the customer's, and every other one of the list."""
    return {message["customerId"], *(each["customerId"] for each in message.get("customerIdList", ()))}
