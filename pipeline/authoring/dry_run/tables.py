"""What a trial found, as tables for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group as Printed
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.authoring.dry_run.tally import OutcomeGroup, SampleTally
from pipeline.job.books import RecordOutcome
from pipeline.observe.masking import escaped

FATES = {
    RecordOutcome.REPORTED: "would be reported",
    RecordOutcome.DUPLICATE: "duplicate in the sample",
    RecordOutcome.FILTERED: "filtered",
    RecordOutcome.DEAD_LETTERED: "dead letter",
}
"""In the order in which they are shown."""

MOST_CODES = 50
"""Event codes shown: where a record brings its own, there may be any number."""


def printed(name: str, tally: SampleTally) -> RenderableType:
    """Lay out the counts, the messages, and one example of each fate."""
    groups = [
        (fate, code, group)
        for fate in FATES
        for (each, code), group in sorted(tally.fates.items(), key=lambda item: -item[1].count)
        if each is fate
    ]
    fates = _table(f"{name}: what would become of {tally.records:,} records", "records", "share", "first at")
    for fate, code, group in groups:
        share = f"{group.count / tally.records:.1%}"
        fates.add_row(_plain(_named(fate, code)), f"{group.count:,}", share, _plain(group.example.place))
    messages = _table("messages", "reported", "duplicate")
    commonest = sorted(tally.events, key=lambda code: -tally.events[code].reported)[:MOST_CODES]
    for code in sorted(commonest):
        counts = tally.events[code]
        messages.add_row(_plain(f"event {code}"), f"{counts.reported:,}", f"{counts.duplicate:,}")
    if len(tally.events) > MOST_CODES:
        messages.add_row(f"and {len(tally.events) - MOST_CODES:,} event codes more", "", "")
    if tally.users.reported or tally.users.duplicate:
        messages.add_row("users", f"{tally.users.reported:,}", f"{tally.users.duplicate:,}")
    parts: list[RenderableType] = [fates]
    if messages.row_count:
        parts.append(messages)
    return Printed(
        *parts, Text("one example of each, identifiers masked", style="bold"), *(_example(*each) for each in groups)
    )


def _named(fate: RecordOutcome, code: str) -> str:
    return FATES[fate] + (f": {code}" if code else "")


def _example(fate: RecordOutcome, code: str, group: OutcomeGroup) -> Text:
    example = group.example
    reason = f": {example.reason}" if fate is RecordOutcome.DEAD_LETTERED else ""
    return _plain(f"{_named(fate, code)}, {example.place}{reason}\n    {example.shown}")


def _plain(text: str) -> Text:
    """Return a text from outside, in which neither a terminal nor rich finds anything to obey."""
    return Text(escaped(text))


def _table(title: str, *figures: str) -> Table:
    table = Table(
        title=_plain(title),
        title_justify="left",
        title_style="bold",
        show_edge=False,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", overflow="fold")
    for figure in figures:
        table.add_column(figure, justify="left" if figure == "first at" else "right", overflow="fold")
    return table
