"""Shows a record of `log2mq tap`: as a block for a person, or as one JSON object a line."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.authoring.tap import TapCounts, TapStage
from pipeline.authoring.trace import Trace
from pipeline.cli.say import say
from pipeline.config.source_file import SourceFile
from pipeline.observe.masking import Masking, Unmasked
from transforms.base import Kind

MOST_LINES = 60
"""The largest number of lines of one record on a terminal."""

MOST_COLUMNS = 2_000
"""The largest number of characters of a line."""

MOST_UNIX_MS = 253_370_764_800_000  # the year 9999


class TapView:
    """Prints records, and in between how many were not shown."""

    def __init__(self, source: SourceFile, stage: TapStage, *, as_lines: bool, show_identifiers: bool) -> None:
        self._stage, self._as_lines = stage, as_lines
        self._show_identifiers = show_identifiers
        self._zone = ZoneInfo(source.time_zone)
        self._reported = 0
        self.counts = TapCounts()

    def show(self, traced: Trace) -> None:
        """Print one record."""
        not_shown = self.counts.over_rate + self.counts.unread
        if not_shown > self._reported:
            say(
                f"log2mq: {not_shown - self._reported:,} more not shown; --rate 0 shows all, --where selects",
                err=True,
            )
            self._reported = not_shown
        document = self._document(traced)
        if self._as_lines:
            say(json.dumps(document, ensure_ascii=False, default=str))
            return
        record = traced.record
        say(
            f"── {record.topic}:{record.partition}:{record.offset}{self._at(record.timestamp)}: {document['outcome']}",
            bold=True,
        )
        if "refusal" in document:
            say(f"{document['refusal']['code']} at {document['refusal']['stage']}: {document['refusal']['reason']}")
        lines: list[str] = []
        for each in [*document.get("entries", ()), *document.get("messages", ())]:
            if len(lines) <= MOST_LINES:
                lines += Unmasked()(each).split("\n")
        # Indented, so that no line of a record looks like the heading of another record.
        lines += [f"    {line}" for line in document.get("value", "").splitlines()]
        for line in lines[:MOST_LINES]:
            say(line[:MOST_COLUMNS])
        if len(lines) > MOST_LINES:
            say("… and more; --json shows all", dim=True)

    def _at(self, unix_ms: int) -> str:
        """Return Kafka's time of the record, unless it is outside the calendar: a producer may write any number."""
        if not 0 <= unix_ms < MOST_UNIX_MS:
            return ""
        return f", {datetime.fromtimestamp(unix_ms / 1000, self._zone):%Y-%m-%d %H:%M:%S}"

    def _document(self, traced: Trace) -> dict[str, Any]:
        record = traced.record
        entries, refusal = traced.decoded, traced.converted.refusal
        document: dict[str, Any] = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "outcome": _outcome(traced),
        }
        if refusal is not None:
            document["refusal"] = {"stage": refusal.stage, "code": refusal.code, "reason": refusal.reason}
        show = Unmasked() if self._show_identifiers else Masking(traced.identifiers())
        if self._stage is TapStage.MAPPED:
            document["messages"] = [show.value(json.loads(message.body)) for message in traced.converted.messages]
        else:
            document["entries"] = [show.value(entry.fields) for entry in entries]
        if not entries and self._show_identifiers:
            document["value"] = (record.value or b"").decode(errors="backslashreplace")[:MOST_COLUMNS]
        return document


def _outcome(traced: Trace) -> str:
    codes = [
        *traced.event_codes(),
        *("identities" for message in traced.converted.messages if message.kind is Kind.USER),
    ]
    if traced.converted.filtered is not None:
        return f"filtered ({traced.converted.filtered.why})"
    if traced.converted.refusal is not None:
        codes.append("refused")
    return ", ".join(codes)
