"""`log2mq check`: checks a source file without a connection; on request also over a sample, and against the brokers and the API."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from pipeline.cli.options import source_argument
from pipeline.cli.say import say
from pipeline.config.load import load_source
from pipeline.config.warnings import missing_credentials, unset_keys, warnings
from pipeline.errors import UsageError
from pipeline.runtime.build_converter import build_converter

MOST_RECORDS = 10_000


@click.command()
@source_argument
@click.option(
    "--sample",
    metavar="FILE|TOPIC",
    help="Also convert these records, and show the results. Nothing is sent, remembered or committed.",
)
@click.option(
    "--records",
    type=click.IntRange(1, 100_000),
    help=f"The largest number of records in the sample: the first of a file, the latest of a topic.  [default: {MOST_RECORDS}]",
)
@click.option("--whole", is_flag=True, help="Take the whole file of --sample as one record.")
@click.option(
    "--online",
    is_flag=True,
    help="Ask the brokers about the topics, and Quick Audience about credentials, organisation and workspace. No event is sent.",
)
@click.option("--strict", is_flag=True, help="End with exit code 2 also if there are warnings.")
def check(
    source_file: Path, sample: str | None, records: int | None, *, whole: bool, online: bool, strict: bool
) -> None:
    """Check SOURCE_FILE and print all faults at once, each with file, line and key.

    The exit code is 2 if there are faults. Warnings are printed, and are no faults.
    """
    if sample is None and (whole or records is not None):
        raise UsageError(f"{'--whole' if whole else '--records'}: found no --sample; expected one with it")
    source = load_source(source_file, os.environ, with_credentials=True)
    unset = unset_keys(source, os.environ)
    environment = {**os.environ, **{name: secrets.token_hex() for name in unset}}
    build_converter(source, environment)
    count = _warn(warnings(source)) + _warn([*missing_credentials(source, os.environ), *unset.values()])
    if sample is None and source.dedup.store == "lmdb":
        from pipeline.authoring.dry_run.store_room import room_without_rate

        say(room_without_rate(source.dedup))
    if sample is not None:
        from pipeline.cli.sample_check import sample_warnings

        count += _warn(sample_warnings(source, sample, records or MOST_RECORDS, environment, whole=whole))
    if online:
        from pipeline.cli.online import api_warnings, ask_registries, kafka_warnings

        count += _warn(kafka_warnings(source))
        ask_registries(source)
        count += _warn(api_warnings(source))
    rules = (
        f"plug-in {source.transform.plugin}"
        if source.transform is not None
        else f"{len(source.events)} event and {len(source.users)} user rules"
    )
    if strict and count:
        raise UsageError(
            f"{source_file}: found {count} {'warnings' if count > 1 else 'warning'}; expected none, with --strict"
        )
    say(
        f"{source_file}: ok: source {source.source}, {' → '.join(step.format for step in source.decode)}, {rules}, to {source.report.url}"
    )
    if not online:
        say("not asked: Kafka and Quick Audience (--online asks both)")


def _warn(warnings_found: list[str]) -> int:
    """Print warnings and return their number."""
    for warning in warnings_found:
        say(f"warning: {warning}")
    return len(warnings_found)
