"""`log2mq replay`: reads a range of the topics again and reports only the messages that were never reported."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console

from pipeline.cli.options import (
    log_format_option,
    log_level_option,
    new_store_option,
    partitions_option,
    progress_option,
    source_argument,
)
from pipeline.cli.replay_diff import diff_mappings
from pipeline.cli.say import announce
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.log_events import LogEvent
from pipeline.contracts.values import Commit, Partition
from pipeline.errors import WorkUnfinished
from pipeline.job.replay_range import (
    FROM_NAMES,
    TO_NAMES,
    ReplayRange,
    bound_of,
    chosen_partitions,
    plan,
    replay_group,
)
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.client import connect_with_retries
from pipeline.observe.log_lines import set_up_logging
from pipeline.observe.progress import Progress
from pipeline.observe.summary import closing_summary
from pipeline.runtime.build import Hooks, now_ms
from pipeline.runtime.replay_job import DryReplayJob, ReplayJob
from pipeline.runtime.stop_signals import StopSignals


@click.command()
@source_argument
@click.option(
    "--from",
    "from_text",
    required=True,
    metavar="T|OFFSET|earliest",
    help="Where to begin: an offset, a time, or how long ago (90m).",
)
@click.option(
    "--to",
    "to_text",
    required=True,
    metavar="T|OFFSET|now",
    help="Where to end (exclusive); `now` is the end at the moment the replay begins.",
)
@partitions_option
@click.option("--dry-run", is_flag=True, help="Send and commit nothing; print what would be sent.")
@click.option(
    "--diff",
    "other_path",
    type=click.Path(path_type=Path),
    metavar="OTHER.yaml",
    help="Send and commit nothing; compare with what OTHER.yaml, another version of the file, makes of the range.",
)
@click.option("--json", "as_json", is_flag=True, help="With --diff: one JSON object a line.")
@new_store_option
@log_format_option
@log_level_option
@progress_option
def replay(  # noqa: PLR0913 - one parameter an option
    source_file: Path,
    from_text: str,
    to_text: str,
    partitions_text: str | None,
    log_format: str,
    log_level: str,
    *,
    dry_run: bool,
    other_path: Path | None,
    as_json: bool,
    new_store: bool,
    progress: bool | None,
) -> None:
    """Read a range of SOURCE_FILE's topics again, with a group of its own.

    The offsets of the live job do not change. Messages that were reported before are recognised and not sent. The command ends at the end
    of the range. After an interruption (exit code 11) the same command goes on where it stopped.
    """
    set_up_logging(log_format, log_level)
    source = load_source(source_file, os.environ)
    set_up_logging(log_format, log_level, source=source.source)
    now = now_ms()
    from_bound, to_bound = (
        bound_of("--from", from_text, now, FROM_NAMES),
        bound_of("--to", to_text, now, TO_NAMES),
    )

    def planned(_limit_ms: int) -> tuple[ReplayRange, Mapping[Partition, Commit]]:
        with KafkaAdmin(source.kafka, os.environ) as topics:
            existing = topics.partitions()
            partitions = chosen_partitions(partitions_text, existing)
            group = replay_group(source.kafka.group, from_text, to_text, partitions)
            committed = {} if dry_run or other_path is not None else topics.committed(group)
            replay_range = plan(group, from_bound, to_bound, partitions, topics, committed)
            return replay_range, topics.committed(source.kafka.group, existing)

    replay_range, live = connect_with_retries(source.kafka, planned)
    for partition, (start, until) in sorted(replay_range.gone.items()):
        text = (
            f"warning: {partition.topic}:{partition.partition} has no offsets {start:,} to {until - 1:,} any more (retention): "
            "their records cannot be replayed"
        )
        place = {"topic": partition.topic, "partition": partition.partition, "offset": start}
        announce(LogEvent.OFFSETS_LOST, text, logging.WARNING, **place, count=until - start)
    announce(LogEvent.START, _describe(replay_range, source), group=replay_range.group, records=replay_range.records)
    if other_path is not None:
        diff_mappings(source, other_path, replay_range, as_json=as_json)
        return
    console = Console(stderr=True, force_terminal=progress or None)
    is_live = console.is_terminal and log_format == "text" if progress is None else progress
    job_type = DryReplayJob if dry_run else ReplayJob
    job = job_type(source, os.environ, Hooks(), replay_range, live, new_store=new_store)
    run_replay(job, source, console, live=is_live, dry_run=dry_run)


def run_replay(
    job: ReplayJob, source: SourceFile, console: Console, *, live: bool, dry_run: bool, verb: str = "replay"
) -> None:
    """Run the range to its end, or to a signal. With `live` the progress is one line that is drawn again.

    Raises:
        WorkUnfinished: a signal came before the end.
    """
    shown = Progress(console, live=live, remaining=job.remaining)
    with closing_summary(f"{source.source} {verb}", shown, would=dry_run):
        job.hooks.on_status = shown.show
        with StopSignals(job.stop, job.deadline, begin=job.begin_end), job:
            status = job.runner.run()
    if status.stopping and (left := job.unfinished()):
        goes_on = "a dry run begins at the start again" if dry_run else "the same command goes on from there"
        raise WorkUnfinished(f"interrupted: {job.records - left:,} of {job.records:,} offsets are finished; {goes_on}")


def _describe(replay_range: ReplayRange, source: SourceFile) -> str:
    stretches = ", ".join(
        f"{p.topic}:{p.partition} {start:,} to {to - 1:,}"
        for p, (start, to) in sorted(replay_range.bounds.items())
        if start < to
    )
    verb = "going on with" if replay_range.is_resumed else "replaying"
    return f"{source.source}: {verb} {replay_range.records:,} offsets ({stretches}), group {replay_range.group}"
