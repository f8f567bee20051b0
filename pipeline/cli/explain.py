"""`log2mq explain`: shows one record at every step, with identifiers and secrets masked."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import click

from pipeline.authoring.dry_run.records import MOST_WHOLE_BYTES, lines_of, record_of, written_ms
from pipeline.authoring.signed_request import explain_request
from pipeline.authoring.trace import Trace, trace
from pipeline.authoring.wait import MOST_MS
from pipeline.cli.options import source_argument
from pipeline.cli.say import say, say_lines
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.values import Partition
from pipeline.errors import UsageError
from pipeline.job.converter import Converter
from pipeline.job.in_flight import PendingMessage
from pipeline.observe.masking import Masking, Unmasked
from pipeline.report.credentials import Credentials, CredentialsSource
from pipeline.runtime.build_converter import build_converter
from pipeline.setting_types.secret import Secret
from schemas.log import LogEntry, Record
from schemas.refusal import Refusal
from transforms.base import Kind, Skipped
from transforms.mapping import RuleTrace
from transforms.mapping.trace import LineResult

MOST_ELEMENTS_SHOWN = 5

COMBINED_WORDS = {"all": "all of this", "any": "any of this", "not": "none of this together"}


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
@click.option("--whole", is_flag=True, help="Take the whole file as one record.")
@click.option(
    "--show-identifiers",
    is_flag=True,
    help="Show customer IDs and identities as they are. Mind who can see your screen.",
)
def explain(source_file: Path, place: str, line: int, *, whole: bool, show_identifiers: bool) -> None:
    """Show one record of SOURCE_FILE at every step: decoded, each rule, messages, dedup key, signed request. Nothing is sent or remembered."""
    source = load_source(source_file, os.environ)
    record = read_record(source, place, 0 if whole else line)
    explain_record(source, record, show_identifiers=show_identifiers)


def explain_record(source: SourceFile, record: Record, *, show_identifiers: bool) -> None:
    """Show a record at every step. Nothing is sent or remembered."""
    converter = build_converter(source, os.environ, give_up_after_ms=MOST_MS)
    traced = trace(converter, record)
    _title(f"record {record.topic}:{record.partition}:{record.offset}, {len(record.value or b''):,} bytes")
    show = Unmasked() if show_identifiers else Masking(traced.identifiers())
    if not traced.entries and record.value:
        say(show.raw(record.value, source.decode[0].charset))
    _entries(source, traced, show)
    converted = traced.converted
    _messages(source, converted.messages, show)
    if converted.filtered is not None:
        _title(f"filtered: {converted.filtered.why}")
    if (refusal := converted.refusal) is not None:
        _title(f"dead letter: {refusal.code} at {refusal.stage}: {refusal.reason}")


def _entries(source: SourceFile, traced: Trace, show: Unmasked) -> None:
    formats = " → ".join(step.format for step in source.decode)
    for place, entry in enumerate(traced.entries):
        of = f", entry {place} of {len(traced.entries)}" if len(traced.entries) > 1 else ""
        _title(f"decoded ({formats}){of}")
        if isinstance(entry, Refusal):
            say(f"  refused, {entry.code}: {entry.reason}")
        else:
            say_lines(show(entry.fields))
            _rules(traced.rules(entry), show)
            _verdicts(traced.converter, entry)


def _messages(source: SourceFile, messages: Sequence[PendingMessage], show: Unmasked) -> None:
    for message in messages:
        _title(f"{message.kind.value} message")
        say_lines(show(json.loads(message.body)))
        say(
            f"dedup key {message.claim.key.hex()}"
            + (f", version {message.claim.digest.hex()}" if any(message.claim.digest) else "")
        )
    for kind in Kind:
        if bodies := [message.body for message in messages if message.kind is kind]:
            _request(source, kind, bodies, show)


def read_record(source: SourceFile, place: str, line: int) -> Record:
    """Read the record from a file, standard input, or `topic:partition:offset`. `line` is from 1; 0 is the whole file.

    Lines of a file have the time at which the file was written. Lines of standard input have the time of now.

    Raises:
        UsageError: the record does not exist.
    """
    topic, _, numbers = place.partition(":")
    partition, _, offset = numbers.partition(":")
    if partition.isdecimal() and offset.isdecimal() and not Path(place).exists():
        from pipeline.kafka_io.admin import KafkaAdmin

        with KafkaAdmin(source.kafka, os.environ) as topics:
            return topics.record_at(Partition(topic, int(partition)), int(offset))
    if place == "-":
        return _read_from(source, sys.stdin.buffer, place, line, int(time.time() * 1000))
    try:
        with Path(place).open("rb") as stream:
            return _read_from(source, stream, place, line, written_ms(stream))
    except OSError as error:
        raise UsageError(
            f"--record: found {place!r}, which cannot be read ({error.strerror}); expected a file, - or TOPIC:PARTITION:OFFSET"
        ) from None


def _read_from(source: SourceFile, stream: BinaryIO, place: str, line: int, time_ms: int) -> Record:
    if not line:
        value = stream.read(MOST_WHOLE_BYTES)
        if not value.strip():
            raise UsageError(f"--record: found nothing in {place}; expected a record")
        return record_of(source, value, 0, time_ms)
    for number, value in lines_of(stream, source.limits.record):
        if number == line:
            return record_of(source, value, line - 1, time_ms)
        if number > line:
            break
    raise UsageError(f"--record: {place} has no line {line}, or nothing in it")


def _rules(rules: Sequence[RuleTrace], show: Unmasked) -> None:
    if rules:
        _title("rules")
    for each in rules:
        if each.not_asked:
            say(f"  --   {each.rule}: not asked, since {each.not_asked} matched before it (match: first)")
        elif not each.matched:
            _unmet(f"  no   {each.rule}", each.unmet, show)
        elif each.refusal is not None:
            say(f"  yes  {each.rule}: refused, {each.refusal.code}: {each.refusal.reason}")
        else:
            say(f"  yes  {each.rule}{_message_count(each)}")
            for element in each.left_out[:MOST_ELEMENTS_SHOWN]:
                _unmet(f"       not of element {element.place}", element.unmet, show)
            if len(each.left_out) > MOST_ELEMENTS_SHOWN:
                say(f"       and {len(each.left_out) - MOST_ELEMENTS_SHOWN:,} elements more")


def _message_count(rule: RuleTrace) -> str:
    if len(rule.messages) == 1:
        return ""
    if rule.messages:
        return f": {len(rule.messages)} messages"
    if not rule.for_each or rule.elements:
        return ": nothing to report" + (", no element is as wanted" if len(rule.left_out) == rule.elements else "")
    return ": nothing to report, for_each " + ("finds no list" if rule.elements is None else "finds an empty list")


def _unmet(before: str, findings: Sequence[LineResult], show: Unmasked) -> None:
    """Show the wanted and the found value: a single one on the same line."""
    if len(findings) == 1 and not findings[0].within:
        say(f"{before}: {_finding(findings[0], show)}")
        return
    say(f"{before}:")
    waiting = [(each, 9) for each in reversed(findings)]
    while waiting:
        finding, indent = waiting.pop()
        say(f"{'':{indent}}{_finding(finding, show)}")
        waiting += [(each, indent + 2) for each in reversed(finding.within)]


def _finding(finding: LineResult, show: Unmasked) -> str:
    verb = "holds" if finding.holds else "wanted"
    if finding.text in COMBINED_WORDS:
        return f"{verb}: {COMBINED_WORDS[finding.text]}"
    found = "nothing" if finding.found is None else show.short(finding.found)
    return f"{verb} {show.text(finding.text)}, found {found}"


def _verdicts(converter: Converter, entry: LogEntry) -> None:
    """Show the objections of the event catalogue to each event, and what the settings do about each."""
    messages = converter.transform(entry)
    if (check := converter.check) is None or isinstance(messages, (Skipped, Refusal)):
        return
    _title("event catalogue")
    for message in messages:
        if message.kind is Kind.USER:
            continue
        findings = list(check.findings(message.wire))
        if not findings:
            say(f"  ok      {message.rule}")
        for finding in findings:
            names = "" if all(name in finding.what for name in finding.names) else f": {', '.join(finding.names)}"
            say(f"  {check.action(finding):<7} {message.rule}: {finding.code}: {finding.what}{names}")


def _request(source: SourceFile, kind: Kind, bodies: list[bytes], show: Unmasked) -> None:
    try:
        credentials, note = CredentialsSource(source.report.credentials, os.environ).current(), ""
    except UsageError:
        credentials, note = Credentials("none", Secret("none")), " (no credentials found: signed with a made-up key)"
    request = explain_request(source.report, credentials, kind, bodies)
    _title(f"signed request{note}")
    say(f"POST {request.url}")
    say_lines("query   " + Unmasked()(request.query))
    say_lines("headers " + Unmasked()(request.headers))
    say_lines(f"body    {request.field} = " + show(request.messages))


def _title(text: str) -> None:
    say(f"── {text}", bold=True)
