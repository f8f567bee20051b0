"""`log2mq run`: the job itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from pipeline.cli.options import (
    log_format_option,
    log_level_option,
    new_store_option,
    progress_option,
    source_argument,
)
from pipeline.cli.say import say
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.config.warnings import warnings
from pipeline.job.status import Status
from pipeline.observe.log_lines import STANDARD_ERROR, set_up_logging
from pipeline.observe.progress import Progress
from pipeline.observe.summary import closing_summary, merge
from pipeline.runtime.build import Hooks, Job, new_instance_id
from pipeline.runtime.restart_policy import RestartPolicy
from pipeline.runtime.stop_signals import StopSignals
from pipeline.runtime.supervisor import Supervisor
from pipeline.runtime.worker_process import WorkerMain


@click.command()
@source_argument
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="The number of processes in the consumer group, under a supervisor that restarts crashed ones. Default: this process alone.",
)
@new_store_option
@log_format_option
@log_level_option
@progress_option
def run(
    source_file: Path, workers: int | None, log_format: str, log_level: str, *, new_store: bool, progress: bool | None
) -> None:
    """Read SOURCE_FILE's topics and report events until stopped.

    SIGTERM or Ctrl-C finishes what is in flight, commits, and prints the books; a second signal ends the job at once.
    """
    set_up_logging(log_format, log_level)
    source = load_source(source_file, os.environ)
    console = Console(stderr=True, force_terminal=progress or None)
    for warning in warnings(source):
        say(f"log2mq: warning: {warning}", err=True)
    live = console.is_terminal and log_format == "text" if progress is None else progress
    shown = Progress(console, live=live)
    with closing_summary(source.source, shown):
        if workers is None:
            run_alone(source, shown.show, new_store=new_store)
        else:
            instance = source.kafka.instance_id or new_instance_id()
            worker_main = WorkerMain(source_file, log_format, log_level, instance, new_store)
            run_workers(worker_main, workers, source, shown.show)


def run_alone(source: SourceFile, on_status: Callable[[Status], None], *, new_store: bool) -> None:
    """Run the job in this process."""
    job = Job(source, os.environ, Hooks(on_status=on_status), static_id=source.kafka.instance_id, new_store=new_store)
    with StopSignals(job.stop, job.deadline, begin=job.begin_end), job:
        job.runner.run()


def run_workers(worker_main: WorkerMain, count: int, source: SourceFile, on_status: Callable[[Status], None]) -> None:
    """Run the job in `count` processes under a supervisor."""

    def show(statuses: list[Status]) -> None:
        on_status(merge(statuses))

    def note(text: str) -> None:
        say(f"log2mq: {text}", err=True)

    policy = RestartPolicy(
        patience_s=source.kafka.give_up_after / 1000, store_patience_s=source.dedup.give_up_after / 1000
    )
    supervisor = Supervisor(
        worker_main, count, show, note, policy, grace_ms=source.stop.grace, on_line=STANDARD_ERROR.write
    )
    with StopSignals(supervisor.stop, supervisor.deadline, begin=supervisor.stop, leave=supervisor.kill):
        supervisor.run()
