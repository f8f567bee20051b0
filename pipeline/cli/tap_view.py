"""How `log2mq tap` shows a record: a block for a person, or one JSON object a line."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from pipeline.authoring.tap import TapCounts, TapStage
from pipeline.authoring.trace import Trace
from pipeline.config.source_file import SourceFile
from pipeline.observe.masking import Masking, Unmasked, escaped
from transforms.base import Kind

MOST_LINES = 60
"""Of one record on a terminal."""

MOST_COLUMNS = 2_000
"""Characters of one line."""

MOST_UNIX_MS = 253_370_764_800_000  # the year 9999


class TapView:
    """Prints records as they pass, and says in between how many were too many."""

    def __init__(self, source: SourceFile, stage: TapStage, *, as_lines: bool, show_identifiers: bool) -> None:
        self._stage, self._as_lines = stage, as_lines
        self._show_identifiers = show_identifiers
        self._zone = ZoneInfo(source.time_zone)
        self._said = 0
        self.counts = TapCounts()

    def show(self, passing: Trace) -> None:
        """Print one record."""
        passed = self.counts.over_rate + self.counts.unread
        if passed > self._said:
            click.echo(
                f"log2mq: {passed - self._said:,} more passed by meanwhile; --rate 0 shows all, --where only some",
                err=True,
            )
            self._said = passed
        said = self._said_of(passing)
        if self._as_lines:
            click.echo(escaped(json.dumps(said, ensure_ascii=False, default=str)))
            return
        record = passing.record
        click.secho(
            escaped(
                f"── {record.topic}:{record.partition}:{record.offset}{self._at(record.timestamp)}: {said['outcome']}"
            ),
            bold=True,
        )
        if "refusal" in said:
            click.echo(escaped(f"{said['refusal']['code']} at {said['refusal']['stage']}: {said['refusal']['reason']}"))
        lines: list[str] = []
        for each in [*said.get("entries", ()), *said.get("messages", ())]:
            if len(lines) <= MOST_LINES:
                lines += Unmasked()(each).split("\n")
        lines += escaped(said.get("value", "")).splitlines()
        for line in lines[:MOST_LINES]:
            click.echo(line[:MOST_COLUMNS])
        if len(lines) > MOST_LINES:
            click.secho("… and more; --json shows all", dim=True)

    def _at(self, unix_ms: int) -> str:
        """Kafka's time of the record, where it is one: a producer may write any number."""
        if not 0 <= unix_ms < MOST_UNIX_MS:
            return ""
        return f", {datetime.fromtimestamp(unix_ms / 1000, self._zone):%Y-%m-%d %H:%M:%S}"

    def _said_of(self, passing: Trace) -> dict[str, Any]:
        record = passing.record
        entries, refusal = passing.decoded, passing.converted.refusal
        said: dict[str, Any] = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "outcome": _outcome(passing),
        }
        if refusal is not None:
            said["refusal"] = {"stage": refusal.stage, "code": refusal.code, "reason": refusal.reason}
        show = Unmasked() if self._show_identifiers else Masking(passing.identifiers())
        if self._stage is TapStage.MAPPED:
            said["messages"] = [show.value(json.loads(parcel.body)) for parcel in passing.converted.messages]
        else:
            said["entries"] = [show.value(entry.fields) for entry in entries]
        if not entries and self._show_identifiers:
            said["value"] = (record.value or b"").decode(errors="backslashreplace")[:MOST_COLUMNS]
        return said


def _outcome(passing: Trace) -> str:
    codes = [
        *passing.event_codes(),
        *("identities" for parcel in passing.converted.messages if parcel.kind is Kind.USER),
    ]
    if passing.converted.filtered is not None:
        return f"filtered ({passing.converted.filtered.why})"
    if passing.converted.refusal is not None:
        codes.append("refused")
    return ", ".join(codes)
