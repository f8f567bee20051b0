"""`log2mq offsets`: shows the committed offsets of a source's group, and sets them while no job runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from pipeline.cli.options import partitions_option, source_argument
from pipeline.cli.say import say
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.values import Partition
from pipeline.job.offset_change import OffsetChange, offset_changes
from pipeline.job.replay_range import bound_of, chosen_partitions
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.group_offsets import GroupOffsets
from pipeline.observe.console import output, plain_table
from pipeline.runtime.build import now_ms
from pipeline.setting_types.quantity import format_duration

NAMES = ("earliest", "latest")


@click.group()
def offsets() -> None:
    """Show the committed offsets of a source's consumer group, or set them while no job runs."""


@offsets.command("show")
@source_argument
@click.option("--at", "at_text", metavar="T", help="Also show the first offset at a time, or so long ago (90m).")
@partitions_option
def show_offsets(source_file: Path, at_text: str | None, partitions_text: str | None) -> None:
    """Show the oldest, the committed and the end offset of each partition."""
    source = load_source(source_file, os.environ)
    bound = None if at_text is None else bound_of("--at", at_text, now_ms(), NAMES)
    with KafkaAdmin(source.kafka, os.environ) as topics:
        partitions = chosen_partitions(partitions_text, topics.partitions())
        commits = topics.committed(source.kafka.group, partitions)
        oldest, ends = topics.beginning_offsets(partitions), topics.end_offsets(partitions)
        at = None if bound is None else bound.offsets(partitions, topics)
    table = _table("oldest", "committed", "end", *(() if at is None else (f"at {at_text}",)))
    for each in partitions:
        committed = f"{commits[each].offset:,}" if each in commits else "none"
        further = () if at is None else (f"{at[each]:,}",)
        table.add_row(_name(each), f"{oldest[each]:,}", committed, f"{ends[each]:,}", *further)
    output().print(table)


@offsets.command("set")
@source_argument
@click.option(
    "--to",
    "to_text",
    required=True,
    metavar="T|OFFSET|earliest|latest",
    help="Where the job goes on: an offset, a time, how long ago (90m), or an end of the partition.",
)
@partitions_option
@click.option("--execute", is_flag=True, help="Set the offsets. Without it the command only says what would change.")
def set_offsets(source_file: Path, to_text: str, partitions_text: str | None, *, execute: bool) -> None:
    """Set the committed offsets of SOURCE_FILE's group. The books and the identity of the dedup store in the commits stay.

    The job must be stopped. Only with --execute something is changed.
    """
    source = load_source(source_file, os.environ)
    bound, group = bound_of("--to", to_text, now_ms(), NAMES), source.kafka.group
    with GroupOffsets(source.kafka, os.environ) as topics:
        partitions = chosen_partitions(partitions_text, topics.partitions())
        topics.require_no_members(group)
        changes = offset_changes(
            bound.offsets(partitions, topics),
            topics.committed(group, partitions),
            topics.beginning_offsets(partitions),
            topics.end_offsets(partitions),
        )
        _print_changes(changes)
        for line in _consequences(changes, source):
            say(f"log2mq: {line}", err=True)
        if execute:
            topics.set_offsets(group, {each.partition: each.to for each in changes})
    done = f"the offsets of {group} are set" if execute else "nothing is changed: --execute sets the offsets"
    say(f"log2mq: {done}", err=True)


def _print_changes(changes: Sequence[OffsetChange]) -> None:
    table = _table("committed", "becomes", "read again", "passed over")
    for each in changes:
        committed = "none" if each.committed is None else f"{each.committed:,}"
        table.add_row(_name(each.partition), committed, f"{each.to:,}", f"{each.read_again:,}", f"{each.passed_over:,}")
    output().print(table)


def _consequences(changes: Sequence[OffsetChange], source: SourceFile) -> list[str]:
    """Say what a person must know before the offsets are set."""
    again, passed = sum(each.read_again for each in changes), sum(each.passed_over for each in changes)
    lines = []
    if again:
        keep = format_duration(source.dedup.keep)
        lines.append(
            f"{again:,} offsets are read again: what the dedup store remembers (dedup.keep: {keep}) is not reported again, anything older is"
        )
    if passed:
        lines.append(f"{passed:,} offsets are passed over: their records are reported only if you replay them")
    return lines


def _name(partition: Partition) -> str:
    return f"{partition.topic}:{partition.partition}"


def _table(*headings: str) -> Table:
    return plain_table("partition", *headings, right=headings)
