"""The closing summary: the books of a run, and the counts of its calls."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Partition, SourceState
from pipeline.control_characters import one_line
from pipeline.errors import Log2mqError
from pipeline.job.attempts import Attempts
from pipeline.job.books import Books
from pipeline.job.counts import Counts
from pipeline.job.flow.state import FlowState, merged_flow
from pipeline.job.status import UNKNOWN_USAGE, Status
from pipeline.observe.console import output
from pipeline.observe.log_lines import are_lines_json
from pipeline.observe.progress import Progress
from transforms.base import Kind

HEADINGS = ("read", "reported", "duplicate", "filtered", "dead-lettered", "in flight", "returned")


_log = logging.getLogger("log2mq.command")

MOST_WARNINGS = 20
"""The largest number of lines for warnings of the event catalogue's check."""


def books_row(books: Books) -> tuple[str, ...]:
    """Return the cells of the books under `HEADINGS`, formatted for a person."""
    finished = (books.reported, books.duplicate, books.filtered, books.dead_lettered)
    figures = (books.read, *finished, books.in_flight, books.returned)
    return tuple(f"{figure:,}" for figure in figures)


def merge(statuses: Sequence[Status]) -> Status:
    """Return the sum of the last snapshots of several processes."""
    per_partition: dict[Partition, Books] = {}
    lifetime: dict[Partition, Books] = {}
    attempts, counts = Attempts(), Counts()
    warnings: Counter[tuple[str, str]] = Counter()
    paused: Counter[PauseReason] = Counter()
    for status in statuses:
        warnings.update(status.warnings)
        paused.update(status.paused)
        for partition, books in status.books.items():
            per_partition[partition] = Books.total([per_partition.get(partition, Books()), books])
        lifetime.update(status.lifetime)
        attempts.add(status.attempts)
        counts.add(status.counts)
    return Status(
        at_ms=max((status.at_ms for status in statuses), default=0),
        books=per_partition,
        lifetime=lifetime,
        lag={partition: lag for status in statuses for partition, lag in status.lag.items()},
        attempts=attempts,
        sending=sum(status.sending for status in statuses),
        queued=sum(status.queued for status in statuses),
        waiting_elsewhere=sum(status.waiting_elsewhere for status in statuses),
        flows=_flows(statuses),
        warnings=warnings,
        stalls=sum(status.stalls for status in statuses),
        head_age_ms=max((status.head_age_ms for status in statuses), default=0),
        paused=paused,
        holds=tuple(hold for status in statuses for hold in status.holds),
        counts=counts,
        oldest_ms={partition: time_ms for status in statuses for partition, time_ms in status.oldest_ms.items()},
        unfinished_bytes=sum(status.unfinished_bytes for status in statuses),
        dead_share=max((status.dead_share for status in statuses), default=0.0),
        usage=next((status.usage for status in statuses if status.usage != UNKNOWN_USAGE), UNKNOWN_USAGE),
        source=SourceState(
            is_member=any(status.source.is_member for status in statuses),
            is_away=any(status.source.is_away for status in statuses),
        ),
        dead_letters_away=any(status.dead_letters_away for status in statuses),
        store_away=any(status.store_away for status in statuses),
        halt=next((status.halt for status in statuses if status.halt), ""),
        held=next((status.held for status in statuses if status.held), ""),
        stopping=any(status.stopping for status in statuses),
    )


def _flows(statuses: Sequence[Status]) -> tuple[FlowState, ...]:
    """Return the flow of each operation over all processes."""
    by_kind: dict[Kind, list[FlowState]] = {}
    for status in statuses:
        for flow in status.flows:
            by_kind.setdefault(flow.kind, []).append(flow)
    return tuple(map(merged_flow, by_kind.values()))


def books_table(title: str, per_partition: Mapping[Partition, Books]) -> Table:
    """Return a table of the books, with a row for each partition and a total."""
    table = Table(
        title=one_line(title), title_justify="left", title_style="bold", show_edge=False, box=SIMPLE_HEAD, padding=0
    )
    table.add_column("partition", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right", overflow="fold")
    for partition, books in sorted(per_partition.items()):
        table.add_row(f"{partition.topic}:{partition.partition}", *books_row(books))
    if len(per_partition) != 1:
        table.add_section()
        table.add_row("all", *books_row(Books.total(per_partition.values())), style="bold")
    return table


def summary(source: str, status: Status, *, would: bool = False) -> RenderableType:
    """Return the closing summary. `would` is for a dry run, which sent nothing."""
    total = status.total
    verb = "would be reported" if would else "reported"
    again = f"already reported {total.events_duplicate:,} (of these redelivered {total.events_redelivered:,})"
    lines = [
        f"events {verb} {total.events_reported:,}, {again}, refused {total.events_refused:,}",
        f"users  {verb} {total.users_reported:,}, already reported {total.users_duplicate:,}, refused {total.users_refused:,}",
    ]
    attempts = status.attempts
    if not would:
        lines.append(
            f"calls  {attempts.calls:,}, tried again {attempts.retries:,}, halved {attempts.halvings:,}, "
            f"messages resent in doubt {attempts.resent_in_doubt:,}"
        )
    lines += [line for flow in status.flows if (line := flow.summary())]
    if attempts.codes:
        lines.append(
            "failed calls by code: " + ", ".join(f"{code} x{count:,}" for code, count in sorted(attempts.codes.items()))
        )
    if total.lost_to_retention:
        lines.append(f"gone before they were read (retention, or a truncation): {total.lost_to_retention:,} offsets")
    if status.stalls:
        lines.append(f"partitions that stood still and were read again: {status.stalls:,} times, see the log")
    lines += _dead_letter_lines(status)
    lines += _warning_lines(status.warnings)
    if status.lifetime and not would:
        lines.append(_lifetime_line(Books.total(status.lifetime.values())))
    return Group(books_table(f"{source}: the books of this run", status.books), Text("\n".join(map(one_line, lines))))


def _dead_letter_lines(status: Status) -> list[str]:
    """Return a line that counts the dead letters of this run by reason."""
    if not status.counts.dead_letters:
        return []
    by_count = sorted(status.counts.dead_letters.items(), key=lambda each: (-each[1], each[0]))
    return ["dead letters by reason: " + ", ".join(f"{reason} x{count:,}" for (_, reason), count in by_count)]


def _lifetime_line(books: Books) -> str:
    """Return a line with the books of all runs of the group, of the partitions that this run owned at its end."""
    figures = zip(
        HEADINGS, (books.read, books.reported, books.duplicate, books.filtered, books.dead_lettered), strict=False
    )
    return "in all runs so far, as committed: " + ", ".join(f"{heading} {figure:,}" for heading, figure in figures)


def _warning_lines(warnings: Mapping[tuple[str, str], int]) -> list[str]:
    """Return a line for each kind of warning of the event catalogue's check, the commonest first, and a line that counts the other kinds."""
    if not warnings:
        return []
    by_count = sorted(warnings.items(), key=lambda each: (-each[1], each[0]))
    lines = [f"  {code} {event} x{count:,}" for (code, event), count in by_count[:MOST_WARNINGS]]
    if rest := by_count[MOST_WARNINGS:]:
        lines.append(f"  {len(rest):,} more kinds, x{sum(count for _, count in rest):,}")
    return ["reported although they differ from the event catalogue:", *lines]


@contextmanager
def closing_summary(source: str, progress: Progress, *, would: bool = False) -> Iterator[None]:
    """Show progress inside the block, and print the summary after it. After an error it is printed too, if a record had been read."""
    try:
        with progress:
            yield
    except Log2mqError:
        if progress.latest is not None and progress.latest.total.read:
            _show_summary(source, progress.latest, would=would)
        raise
    _show_summary(source, progress.latest or merge([]), would=would)


def _show_summary(source: str, status: Status, *, would: bool) -> None:
    """Print the summary, or log it as an event where log lines are JSON."""
    if not are_lines_json():
        output().print(summary(source, status, would=would))
        return
    log_event(
        _log,
        logging.INFO,
        LogEvent.STOP,
        f"{source}: the books of this run",
        books=status.total.as_dict(),
        lifetime=Books.total(status.lifetime.values()).as_dict(),
        partitions={f"{each.topic}:{each.partition}": books.as_dict() for each, books in status.books.items()},
        calls=status.attempts.calls,
        failed_calls=status.attempts.codes,
        dead_letters={reason: count for (_, reason), count in status.counts.dead_letters.items()},
        is_dry_run=would,
    )
