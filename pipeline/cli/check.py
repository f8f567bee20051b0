"""`log2mq check`: is a source file right, before anything connects."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pipeline.build import build_converter
from pipeline.cli.options import source_argument
from pipeline.config.load import load_source, missing_credentials, warnings
from pipeline.config.quantity import format_duration
from pipeline.config.source_file import SourceFile
from pipeline.kafka_topics import Topics


@click.command()
@source_argument
@click.option(
    "--online",
    is_flag=True,
    help="Ask the brokers too: are the topics there, and do they keep records no longer than dedup remembers them?",
)
def check(source_file: Path, *, online: bool) -> None:
    """Say whether SOURCE_FILE is right: all faults at once, each with file, line and key.

    Exit code 2 where there are faults. Warnings are printed and are no faults.
    """
    source = load_source(source_file, os.environ, with_credentials=True)
    build_converter(source, os.environ)
    said = warnings(source) + missing_credentials(source, os.environ)
    if online:
        said += online_warnings(source)
    for warning in said:
        click.echo(f"warning: {warning}")
    rules = (
        f"plug-in {source.transform.plugin}"
        if source.transform is not None
        else f"{len(source.events)} event and {len(source.users)} user rules"
    )
    click.echo(
        f"{source_file}: ok: source {source.source}, {' → '.join(step.format for step in source.decode)}, {rules}, to {source.report.url}"
    )
    if not online:
        click.echo("not asked: Kafka and Quick Audience (--online asks Kafka)")


def online_warnings(source: SourceFile) -> list[str]:
    """Ask the brokers what a file alone cannot tell.

    Raises:
        SourceUnavailable: no broker answers, or a topic is not there.
    """
    said = []
    with Topics(source.kafka, os.environ) as topics:
        for topic in sorted({partition.topic for partition in topics.partitions()}):
            said += retention_warning(source, topic, topics.retention_ms(topic))
        if not topics.exists(source.dead_letters.topic):
            said.append(
                f"the dead-letter topic {source.dead_letters.topic} does not exist: `run` will not start without it"
            )
    return said


def retention_warning(source: SourceFile, topic: str, retention_ms: int | None) -> list[str]:
    """A record that outlives the memory of its report can be reported twice by a replay."""
    if retention_ms is not None and retention_ms <= source.dedup.keep:
        return []
    kept = "for ever" if retention_ms is None else format_duration(retention_ms)
    return [
        f"{topic} keeps records {kept}, dedup.keep is {format_duration(source.dedup.keep)}: a replay of older records reports them again"
    ]
