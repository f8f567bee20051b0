"""`log2mq status`: how a source stands, from what its group has committed."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

import click
import orjson
from rich.live import Live

from pipeline.cli.options import source_argument
from pipeline.cli.say import say
from pipeline.config.load import load_source
from pipeline.contracts.deadline import Deadline
from pipeline.observe.console import output
from pipeline.observe.group_status import GroupObserver, GroupStatus, observe_group
from pipeline.observe.group_view import status_view
from pipeline.runtime.build import now_ms
from pipeline.runtime.stop_signals import StopSignals

WATCH_EVERY_S = 2.0


@click.command()
@source_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --watch one a line.")
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
def status(source_file: Path, *, as_json: bool, watch: bool) -> None:
    """Show how SOURCE_FILE stands: members, offsets, lag, books, dead letters.

    All of it comes from the brokers, so no job need run. Nothing is changed: the command joins no group and commits nothing.
    """
    source = load_source(source_file, os.environ)
    with observe_group(source.source, source.kafka, source.dead_letters.topic, os.environ, now_ms) as observer:
        if not watch:
            _print(observer.look(), as_json=as_json)
            return
        stop = Event()
        with StopSignals(stop.set, Deadline()):
            _watch(observer, stop, as_json=as_json)


def _watch(observer: GroupObserver, stop: Event, *, as_json: bool) -> None:
    """Show the status again and again. A terminal gets one view that is drawn anew, a file or a pipe one after the other."""
    console = output()
    if as_json or not console.is_terminal:
        while not stop.is_set():
            _print(observer.look(), as_json=as_json)
            stop.wait(WATCH_EVERY_S)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while not stop.is_set():
            live.update(status_view(observer.look()), refresh=True)
            stop.wait(WATCH_EVERY_S)


def _print(found: GroupStatus, *, as_json: bool) -> None:
    if as_json:
        say(orjson.dumps(found.as_dict()).decode())
    else:
        output().print(status_view(found))
