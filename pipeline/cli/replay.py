"""`log2mq replay`: reads a range of the topics again and reports only the messages that were never reported."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from pipeline.cli.options import log_format_option, log_level_option, progress_option, source_argument
from pipeline.cli.say import say
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.job.replay_range import (
    FROM_NAMES,
    TO_NAMES,
    ReplayRange,
    bound_of,
    chosen_partitions,
    plan,
    replay_group,
)
from pipeline.job.status import Status
from pipeline.kafka_io.admin import KafkaAdmin
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
@click.option(
    "--partitions",
    "partitions_text",
    metavar="0,1|TOPIC:0",
    help="Only these partitions. Default: all of the source's topics.",
)
@click.option("--dry-run", is_flag=True, help="Send and commit nothing; print what would be sent.")
@log_format_option
@log_level_option
@progress_option
def replay(
    source_file: Path,
    from_text: str,
    to_text: str,
    partitions_text: str | None,
    log_format: str,
    log_level: str,
    *,
    dry_run: bool,
    progress: bool | None,
) -> None:
    """Read a range of SOURCE_FILE's topics again, with a group of its own.

    The offsets of the live job do not change. Messages that were reported before are recognised and not sent. The command ends at the end
    of the range. After an interruption the same command goes on where it stopped.
    """
    set_up_logging(log_format, log_level)
    source = load_source(source_file, os.environ)
    now = now_ms()
    from_bound, to_bound = (
        bound_of("--from", from_text, now, FROM_NAMES),
        bound_of("--to", to_text, now, TO_NAMES),
    )
    with KafkaAdmin(source.kafka, os.environ) as topics:
        partitions = chosen_partitions(partitions_text, topics.partitions())
        group = replay_group(source.kafka.group, from_text, to_text, partitions)
        committed = {} if dry_run else topics.committed(group)
        replay_range = plan(group, from_bound, to_bound, partitions, topics, committed)
    for partition, (start, until) in sorted(replay_range.gone.items()):
        say(
            f"log2mq: warning: {partition.topic}:{partition.partition} has no offsets {start:,} to {until - 1:,} any more (retention): "
            "their records cannot be replayed",
            err=True,
        )
    say(_describe(replay_range, source), err=True)
    console = Console(stderr=True, force_terminal=progress or None)
    live = console.is_terminal and log_format == "text" if progress is None else progress
    status = run_replay(source, replay_range, console, live=live, dry_run=dry_run)
    if status.stopping:
        say("interrupted: the same command goes on from here", err=True)


def run_replay(source: SourceFile, replay_range: ReplayRange, console: Console, *, live: bool, dry_run: bool) -> Status:
    """Run the range to its end, or to a signal."""
    job_type = DryReplayJob if dry_run else ReplayJob
    job = job_type(source, os.environ, Hooks(), replay_range)
    shown = Progress(console, live=live, remaining=job.remaining)
    with closing_summary(f"{source.source} replay", shown, would=dry_run):
        job.hooks.on_status = shown.show
        with StopSignals(job.stop, job.deadline), job:
            return job.runner.run()


def _describe(replay_range: ReplayRange, source: SourceFile) -> str:
    stretches = ", ".join(
        f"{p.topic}:{p.partition} {start:,} to {to - 1:,}"
        for p, (start, to) in sorted(replay_range.bounds.items())
        if start < to
    )
    verb = "going on with" if replay_range.is_resumed else "replaying"
    return f"log2mq: {source.source}: {verb} {replay_range.records:,} offsets ({stretches}), group {replay_range.group}"
