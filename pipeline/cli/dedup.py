"""`log2mq dedup`: what the dedup store of a source knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson

from pipeline.cli.options import source_argument
from pipeline.cli.say import say
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.values import ClaimResult
from pipeline.dedup import open_store
from pipeline.dedup.clocks import machine_clocks
from pipeline.errors import UsageError
from pipeline.runtime.build_converter import build_converter
from pipeline.runtime.process_names import process_name
from pipeline.setting_types.quantity import format_duration

SAYS = {
    ClaimResult.GRANTED: "is not known: it was not reported within dedup.keep ({keep}), or it was refused",
    ClaimResult.HELD: "is claimed: a job sends it now, or waits to send it",
    ClaimResult.DUPLICATE: "was reported within dedup.keep ({keep})",
    ClaimResult.REDELIVERED: "was reported within dedup.keep ({keep})",
}
"""What the answer of the store means."""

STATES = {
    ClaimResult.GRANTED: "unknown",
    ClaimResult.HELD: "claimed",
    ClaimResult.DUPLICATE: "reported",
    ClaimResult.REDELIVERED: "reported",
}


@click.group()
def dedup() -> None:
    """Ask the dedup store of a source. A job may run meanwhile."""


@dedup.command("stat")
@source_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show_usage(source_file: Path, *, as_json: bool) -> None:
    """Show which store it is, how many keys it has, and how full it is."""
    source = load_source(source_file, os.environ)
    with _opened(source) as store:
        usage, identity = store.usage(), store.identity
    if as_json:
        say(orjson.dumps({"identity": identity.id, "place": identity.place, **usage._asdict()}).decode())
        return
    say(f"the dedup store of {source.source} is {identity.place}, identity {identity.id}")
    keys = "an unknown number of" if usage.keys is None else f"{usage.keys:,}"
    size = "" if usage.used_bytes is None else f", {usage.used_bytes:,} bytes"
    limit = "" if usage.most_bytes is None else f" of at most {usage.most_bytes:,}"
    say(f"{keys} keys{size}{limit}; keys are remembered for {format_duration(source.dedup.keep)}")


@dedup.command("lookup")
@source_argument
@click.argument("event_code", metavar="EVENT_CODE")
@click.argument("out_biz_id", metavar="OUT_BIZ_ID")
@click.option("--event-source", default="", metavar="APP_KEY", help="The channel, if dedup.scope has event_source.")
@click.option("--customer", default="", metavar="ID", help="The customer ID, if dedup.scope has customer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def look_up(
    source_file: Path, event_code: str, out_biz_id: str, event_source: str, customer: str, *, as_json: bool
) -> None:
    """Say whether the event with EVENT_CODE and OUT_BIZ_ID was reported."""
    source = load_source(source_file, os.environ)
    for option, found, name in (("--event-source", event_source, "event_source"), ("--customer", customer, "customer")):
        if (name in source.dedup.scope) is not bool(found):
            expected = "a value: dedup.scope has it" if not found else "nothing: dedup.scope does not have it"
            raise UsageError(f"{option}: found {found or 'nothing'!r}; expected {expected}")
    claim = build_converter(source, os.environ).event_claim(event_code, out_biz_id, event_source, customer)
    with _opened(source) as store:
        (result,) = store.look_up([claim])
    if as_json:
        answer: dict[str, Any] = {"event_code": event_code, "out_biz_id": out_biz_id, "state": STATES[result]}
        say(orjson.dumps(answer).decode())
        return
    keep = format_duration(source.dedup.keep)
    say(f"{event_code} {out_biz_id} {SAYS[result].format(keep=keep)}")


@contextmanager
def _opened(source: SourceFile) -> Iterator[DedupStore]:
    """Open the store of a source for as long as the block lasts. A store that is not there is not made.

    Raises:
        UsageError: there is no store yet, or it ends with its process.
        StoreUnavailable: the store cannot be opened.
    """
    settings = source.dedup
    if settings.store == "memory":
        raise UsageError("dedup.store: found 'memory', which ends with its process; expected lmdb or redis")
    if settings.store == "lmdb" and not (Path(settings.path or "") / "confirmed").is_dir():
        raise UsageError(
            f"dedup.path: found no dedup store in {settings.path}; expected the folder in which a job has run"
        )
    store = open_store(settings, process_name(source, 0), machine_clocks(), os.environ)
    try:
        yield store
    finally:
        store.close()
