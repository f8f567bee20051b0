"""`log2mq status`, for a person: the members, where each partition stands, the lifetime books, and the dead letters."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.control_characters import one_line
from pipeline.observe.group_status import GroupStatus, PartitionStatus
from pipeline.observe.progress import duration_text
from pipeline.observe.summary import HEADINGS, books_row

FINISHED = len(HEADINGS) - 2
"""So many columns of the books count finished records; a commit has no others."""


def status_view(status: GroupStatus) -> RenderableType:
    """Return the whole view. Texts from outside are one line each."""
    parts: list[RenderableType] = [Text(one_line(_first_line(status)), style="bold"), Text()]
    if status.members.members:
        parts += [_members(status), Text()]
    return Group(*parts, _partitions(status), Text(), *(Text(one_line(line)) for line in _last_lines(status)))


def _first_line(status: GroupStatus) -> str:
    count = len(status.members.members)
    members = "1 member" if count == 1 else f"{count:,} members" if count else "no member: no job runs"
    total = status.total
    age = f", the oldest {duration_text(total.oldest_ms / 1000)} old" if total.oldest_ms is not None else ""
    lag = f"{total.lag:,} offsets unfinished{age}" if total.lag else "every offset is finished"
    return f"{status.source}: group {status.group} ({status.members.state}), {members}; {lag}"


def _members(status: GroupStatus) -> Table:
    table = _table("member", "static ID", "host", "partitions")
    for member in status.members.members:
        owned: dict[str, list[str]] = {}
        for partition in member.partitions:
            owned.setdefault(partition.topic, []).append(str(partition.partition))
        partitions = " ".join(f"{topic}:{','.join(numbers)}" for topic, numbers in owned.items()) or "none yet"
        table.add_row(*map(one_line, (member.client_id, member.instance_id or "-", member.host, partitions)))
    return table


def _partitions(status: GroupStatus) -> Table:
    table = _table("partition")
    for heading in ("committed", "end", "lag", "oldest", *HEADINGS[:FINISHED]):
        table.add_column(heading, justify="right", overflow="fold")
    for partition, row in status.partitions.items():
        table.add_row(f"{partition.topic}:{partition.partition}", *_cells(row))
    if len(status.partitions) != 1:
        table.add_section()
        table.add_row("all", *_cells(status.total, of_one=False), style="bold")
    return table


def _cells(row: PartitionStatus, *, of_one: bool = True) -> tuple[str, ...]:
    committed = "" if not of_one else "none" if row.committed is None else f"{row.committed:,}"
    oldest = "" if row.oldest_ms is None else duration_text(row.oldest_ms / 1000)
    return committed, f"{row.end:,}" if of_one else "", f"{row.lag:,}", oldest, *books_row(row.books)[:FINISHED]


def _last_lines(status: GroupStatus) -> list[str]:
    total, letters = status.total, status.dead_letters
    lines = []
    if total.gone:
        lines.append(
            f"gone before they were read (retention): {total.gone:,} offsets; a job that starts halts, or passes over them (kafka.on_lost_offsets)"
        )
    if total.books.lost_to_retention:
        lines.append(f"gone before they were read, and counted: {total.books.lost_to_retention:,} offsets")
    if not letters.exists:
        lines.append(f"dead letters: the topic {letters.topic} does not exist")
    elif letters.by_reason:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in letters.by_reason.items())
        lines.append(f"dead letters in the newest {letters.looked_at:,} records of {letters.topic}: {reasons}")
    else:
        lines.append(
            f"dead letters in the newest {letters.looked_at:,} records of {letters.topic}: none of this source"
        )
    if status.stores:
        lines.append(f"dedup store that the commits name: {', '.join(status.stores)}")
    return lines


def _table(*headings: str) -> Table:
    table = Table(show_edge=False, box=SIMPLE_HEAD, padding=0)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
