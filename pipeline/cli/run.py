"""`log2mq run`: the job itself."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
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
from pipeline.cli.say import announce
from pipeline.config.config_hash import config_hash
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.config.warnings import warnings
from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.dedup.clocks import machine_clocks
from pipeline.errors import UsageError
from pipeline.observe.console import FILE_COLUMNS
from pipeline.observe.endpoint import Endpoint
from pipeline.observe.job_view import JobView, ObservedJob
from pipeline.observe.log_lines import are_lines_json, set_up_logging
from pipeline.observe.progress import Progress
from pipeline.observe.status_document import status_document
from pipeline.observe.summary import closing_summary, merge
from pipeline.observe.top_rates import TopRates
from pipeline.observe.top_view import top_view
from pipeline.runtime.build import now_ms
from pipeline.runtime.process_names import new_instance_id
from pipeline.runtime.reload import Reload
from pipeline.runtime.run_job import JobAlone, run_workers
from pipeline.runtime.start_check import check_destination
from pipeline.runtime.start_log import log_start
from pipeline.runtime.worker_process import WorkerMain
from pipeline.setting_types.listen import ListenAddress, listen_address

_log = logging.getLogger("log2mq.command")


@click.command()
@source_argument
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="The number of processes in the consumer group, under a supervisor that restarts crashed ones. Default: this process alone.",
)
@click.option(
    "--listen",
    "listen_text",
    metavar="HOST:PORT",
    help="Serve metrics and health checks at this address, instead of observe.listen of the file.",
)
@new_store_option
@log_format_option
@log_level_option
@progress_option
def run(
    source_file: Path,
    workers: int | None,
    listen_text: str | None,
    log_format: str,
    log_level: str,
    *,
    new_store: bool,
    progress: bool | None,
) -> None:
    """Read SOURCE_FILE's topics and report events until stopped.

    SIGTERM or Ctrl-C finishes what is in flight, commits, and prints the books; a second signal ends the job at once.
    """
    for number in (
        signal.SIGHUP,
        signal.SIGUSR1,
    ):  # they end no command, also while its job has not begun, or begins anew
        signal.signal(number, signal.SIG_IGN)
    set_up_logging(log_format, log_level)
    source = load_source(source_file, os.environ)
    set_up_logging(log_format, log_level, source=source.source)
    address = _listen_address(source, listen_text)
    console = Console(stderr=True, force_terminal=progress or None)
    for warning in warnings(source):
        announce(LogEvent.CONFIGURATION_WARNING, f"warning: {warning}", logging.WARNING)
    live = console.is_terminal and log_format == "text" if progress is None else progress
    shown = Progress(console, live=live)
    observed = ObservedJob(
        JobView(
            source.source,
            config_hash(source),
            merge([]),
            begun_ms=now_ms(),
            away_limit_ms=source.observe.away_limit,
        )
    )
    log_start(source, observed.view.config_hash, workers or 1)
    reload = Reload(source_file, os.environ, source, observed.note_reload)

    def on_asked() -> None:
        _print_status(observed)

    with _endpoint(address, observed), closing_summary(source.source, shown):
        check_destination(source, os.environ)
        if workers is None:
            JobAlone(reload, observed, shown.show, on_asked, new_store=new_store).run()
        else:
            instance = source.kafka.instance_id or new_instance_id()
            worker_main = WorkerMain(source, log_format, log_level, instance, new_store)
            run_workers(worker_main, workers, reload, observed, shown.show, on_asked)


def _listen_address(source: SourceFile, listen_text: str | None) -> ListenAddress | None:
    """Return the address of the endpoint: that of the option, or else that of the file.

    Raises:
        UsageError: the option names no address, or one that other machines reach.
    """
    if listen_text is None:
        return ListenAddress.read(source.observe.listen) if source.observe.listen is not None else None
    try:
        return listen_address(listen_text, expose=source.observe.expose)
    except ValueError as error:
        raise UsageError(f"--listen: found {listen_text!r}; {error}") from None


@contextmanager
def _endpoint(address: ListenAddress | None, observed: ObservedJob) -> Iterator[None]:
    """Serve metrics and health checks inside the block, if there is an address."""
    if address is None:
        yield
        return
    boot_ms = machine_clocks().boot
    with Endpoint(address, lambda: [observed.at(boot_ms(), now_ms())]) as endpoint:
        url = f"http://{endpoint.address}"
        announce(LogEvent.LISTENING, f"metrics and health at {url}/metrics, /livez, /readyz, /status", url=url)
        yield


def _print_status(observed: ObservedJob) -> None:
    """Print the status of the job, for a person who sent SIGUSR1; a line of the log where logs are JSON."""
    view = observed.at(machine_clocks().boot(), now_ms())
    if are_lines_json():
        log_event(_log, logging.INFO, LogEvent.STATUS, f"{view.source}: the status", status=status_document(view))
        return
    document = status_document(view)
    begun = {**document, "running_ms": 0, "books": {}, "operations": []}
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, width=FILE_COLUMNS)
    console.print(top_view(document, TopRates.between(begun, document)))
