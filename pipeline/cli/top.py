"""`log2mq top`: the live view of a running job, from its endpoint."""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from threading import Event
from typing import Any

import click
import orjson
from rich.live import Live

from pipeline.cli.options import source_argument
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.deadline import Deadline
from pipeline.errors import UsageError
from pipeline.observe.console import output
from pipeline.observe.top_rates import TopRates
from pipeline.observe.top_view import top_view
from pipeline.runtime.stop_signals import StopSignals
from pipeline.setting_types.listen import ListenAddress

EVERY_S = 1.0
ANSWER_LIMIT_S = 5.0
MOST_BYTES = 16 << 20


@click.command()
@source_argument
@click.option(
    "--at",
    "at_text",
    metavar="HOST:PORT",
    help="The address of the job's endpoint. Default: observe.listen of the file.",
)
@click.option("--once", is_flag=True, help="Look twice, a second apart, print what happened between, and end.")
def top(source_file: Path, at_text: str | None, *, once: bool) -> None:
    """Watch the running job of SOURCE_FILE: rates, lag, times, errors by code, and the slowest stage. Ctrl-C ends the view, not the job."""
    source = load_source(source_file, os.environ)
    address = _address(source, at_text)
    stop, console = Event(), output()
    with StopSignals(stop.set, Deadline()):
        before = _look(address, source.source)
        if once or not console.is_terminal:
            stop.wait(EVERY_S)
            now = _look(address, source.source)
            console.print(top_view(now, TopRates.between(before, now)))
            return
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while not stop.wait(EVERY_S):
                now = _look(address, source.source)
                live.update(top_view(now, TopRates.between(before, now)), refresh=True)
                before = now


def _address(source: SourceFile, at_text: str | None) -> ListenAddress:
    """Return the address of the endpoint.

    Raises:
        UsageError: neither the option nor the file names one.
    """
    text = at_text if at_text is not None else source.observe.listen
    if text is None:
        raise UsageError(
            "--at: found none, and the file has no observe.listen; expected the address that `run --listen` has"
        )
    try:
        return ListenAddress.read(text)
    except ValueError as error:
        raise UsageError(f"--at: found {text!r}; {error}") from None


def _look(address: ListenAddress, source: str) -> dict[str, Any]:
    """Return the status document of the job.

    Raises:
        UsageError: no endpoint of log2mq answers there, or it has no job of this source.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=ANSWER_LIMIT_S)
    try:
        connection.request("GET", "/status")
        jobs = orjson.loads(connection.getresponse().read(MOST_BYTES))["jobs"]
        found: dict[str, Any] = next(job for job in jobs if job["source"] == source)
    except StopIteration:
        raise UsageError(f"--at: the job at {address} is not of the source {source}") from None
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(
            f"--at: no job answers at {address} ({type(error).__name__}); start it with `log2mq run {source}.yaml --listen {address}`"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"--at: {address} is not the endpoint of a job of log2mq") from None
    finally:
        connection.close()
    return found
