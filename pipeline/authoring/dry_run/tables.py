"""The results of a dry run as tables for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.authoring.dry_run.tally import OutcomeGroup, SampleTally
from pipeline.control_characters import one_line
from pipeline.job.books import RecordOutcome

OUTCOMES = {
    RecordOutcome.REPORTED: "would be reported",
    RecordOutcome.DUPLICATE: "duplicate in the sample",
    RecordOutcome.FILTERED: "filtered",
    RecordOutcome.DEAD_LETTERED: "dead letter",
}
"""The outcomes and their names, in the order of the table."""

MOST_CODES = 50
"""The most event codes that are shown. If records contain their own code, there may be any number."""


def result_tables(name: str, tally: SampleTally) -> RenderableType:
    """Return the tables of records and messages, and one example of each outcome."""
    groups = [
        (outcome, code, group)
        for outcome in OUTCOMES
        for (each, code), group in sorted(tally.outcomes.items(), key=lambda item: -item[1].count)
        if each is outcome
    ]
    outcomes = _table(f"{name}: what would become of {tally.records:,} records", "records", "share", "first at")
    for outcome, code, group in groups:
        share = f"{group.count / tally.records:.1%}"
        outcomes.add_row(_plain(_named(outcome, code)), f"{group.count:,}", share, _plain(group.example.place))
    messages = _table("messages", "reported", "duplicate")
    most_frequent = sorted(tally.events, key=lambda code: -tally.events[code].reported)[:MOST_CODES]
    for code in sorted(most_frequent):
        counts = tally.events[code]
        messages.add_row(_plain(f"event {code}"), f"{counts.reported:,}", f"{counts.duplicate:,}")
    if len(tally.events) > MOST_CODES:
        messages.add_row(f"and {len(tally.events) - MOST_CODES:,} event codes more", "", "")
    if tally.users.reported or tally.users.duplicate:
        messages.add_row("users", f"{tally.users.reported:,}", f"{tally.users.duplicate:,}")
    parts: list[RenderableType] = [outcomes]
    if messages.row_count:
        parts.append(messages)
    return Group(
        *parts, Text("one example of each, identifiers masked", style="bold"), *(_example(*each) for each in groups)
    )


def _named(outcome: RecordOutcome, code: str) -> str:
    return OUTCOMES[outcome] + (f": {code}" if code else "")


def _example(outcome: RecordOutcome, code: str, group: OutcomeGroup) -> Text:
    example = group.example
    reason = f": {example.reason}" if outcome is RecordOutcome.DEAD_LETTERED else ""
    return Text(one_line(f"{_named(outcome, code)}, {example.place}{reason}") + "\n    " + one_line(example.shown))


def _plain(text: str) -> Text:
    """Return a text as one line, without control sequences of a terminal and without markup of rich."""
    return Text(one_line(text))


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
