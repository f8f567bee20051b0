"""`log2mq dead-letters redrive`: the way back for what was refused, once its mapping, or Quick Audience, is mended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import click
from rich.console import Console

from pipeline.cli.letter_options import selecting
from pipeline.cli.options import (
    log_format_option,
    log_level_option,
    new_store_option,
    progress_option,
    source_argument,
)
from pipeline.cli.replay import run_replay
from pipeline.cli.say import announce
from pipeline.config.source_file import SourceFile
from pipeline.contracts.log_events import LogEvent
from pipeline.contracts.values import Commit, Partition
from pipeline.dead_letters.selection import Selection
from pipeline.job.redirect import redirect_to_origins
from pipeline.job.replay_range import Bound, ReplayRange, plan, replay_group
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.client import connect_with_retries
from pipeline.observe.log_lines import set_up_logging
from pipeline.runtime.build import Hooks, now_ms
from pipeline.runtime.replay_job import DryReplayJob, ReplayJob
from pipeline.setting_types.quantity import format_duration


@source_argument
@selecting
@click.option(
    "--dry-run",
    is_flag=True,
    help="Send and commit nothing; print what would be reported, and what would be refused again.",
)
@new_store_option
@log_format_option
@log_level_option
@progress_option
def redrive(
    source: SourceFile,
    selection: Selection,
    newest: int,
    log_format: str,
    log_level: str,
    *,
    dry_run: bool,
    new_store: bool,
    progress: bool | None,
) -> None:
    """Convert and report the records of dead letters again, with SOURCE_FILE as it is now.

    What was reported before is recognised. What is refused again keeps the dead letter that it has. After an interruption (exit code 11) the same
    command goes on where it stopped.
    """
    set_up_logging(log_format, log_level, source=source.source)
    if selection.since_ms is None:
        selection = replace(selection, since_ms=now_ms() - source.dedup.keep)
        keep = format_duration(source.dedup.keep)
        text = f"dead letters older than dedup.keep ({keep}) are left out: nothing knows whether they went back already; --since takes them"
        announce(LogEvent.CONFIGURATION_WARNING, text)
    dead = source.model_copy(
        update={
            "kafka": source.kafka.model_copy(update={"topics": (source.dead_letters.topic,), "topic_pattern": None}),
            "dead_letters": source.dead_letters.model_copy(update={"stop_above": 1.0}),
        }
    )

    def planned(_limit_ms: int) -> tuple[ReplayRange, Mapping[Partition, Commit], Mapping[str, str]]:
        with KafkaAdmin(dead.kafka, os.environ) as topics, KafkaAdmin(source.kafka, os.environ) as origins:
            partitions = topics.partitions()
            group = replay_group(source.kafka.group, selection.asked, str(newest), partitions, "redrive")
            committed = {} if dry_run else topics.committed(group)
            starts = _newest(topics, partitions, newest)
            replay_range = plan(group, Bound(name="earliest"), Bound(name="now"), partitions, topics, committed)
            if not replay_range.is_resumed:
                bounds = {each: (max(start, starts[each]), to) for each, (start, to) in replay_range.bounds.items()}
                replay_range = replace(replay_range, bounds=bounds)
            # The topics of the records may be gone: the dead letters hold the whole records.
            live = origins.committed(source.kafka.group)
            names = sorted({each.topic for each in live})
            return replay_range, live, {name: origins.topic_id(name) for name in names if origins.exists(name)}

    replay_range, live, topic_ids = connect_with_retries(source.kafka, planned)
    verb = "going on with" if replay_range.is_resumed else "looking through"
    text = f"{source.source}: {verb} {replay_range.records:,} records of {source.dead_letters.topic}, group {replay_range.group}"
    announce(LogEvent.START, text, group=replay_range.group, records=replay_range.records)
    console = Console(stderr=True, force_terminal=progress or None)
    is_live = console.is_terminal and log_format == "text" if progress is None else progress
    job_type = DryReplayJob if dry_run else ReplayJob
    redirect = redirect_to_origins(selection, topic_ids)
    job = job_type(dead, os.environ, Hooks(), replay_range, live, new_store=new_store, redirect=redirect)
    run_replay(job, source, console, live=is_live, dry_run=dry_run, verb="redrive")


def _newest(topics: KafkaAdmin, partitions: list[Partition], newest: int) -> Mapping[Partition, int]:
    """Return the offsets from which about so many of the newest records follow, the same number in each partition."""
    ends = topics.end_offsets(partitions)
    return {each: max(0, end - max(1, newest // len(partitions))) for each, end in ends.items()}
