"""The one screen of `log2mq top`: a running job's rates, lag, times, errors and slowest stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.control_characters import one_line
from pipeline.observe.console import plain_table
from pipeline.observe.progress import duration_text
from pipeline.observe.top_rates import Document, OperationRates, TopRates

MOST_PARTITIONS = 12
"""The most partitions that the screen shows: those with the largest lag."""

RECORDS = ("read", "reported", "duplicate", "filtered", "dead_lettered")


def top_view(job: Document, rates: TopRates) -> RenderableType:
    """Return the screen."""
    parts: list[RenderableType] = [Text(one_line(_first_line(job)), style="bold")]
    parts += [Text(one_line(f"not ready: {each['text']}"), style="red") for each in job["not_ready"]]
    parts += [Text(one_line(f"slowest stage: {rates.slowest}")), Text(), _records(job, rates), Text()]
    if rates.operations:
        parts += [_operations(job, rates), Text()]
    return Group(*parts, _partitions(job["partitions"]), *(Text(one_line(line)) for line in _last_lines(job)))


def _first_line(job: Document) -> str:
    up = sum(each["pid"] is not None and each["last_turn_ms"] is not None for each in job["workers"])
    restarts = sum(each["restarts"] for each in job["workers"])
    workers = f"{up} of {len(job['workers'])} workers up" + (f", {restarts} restarts" if restarts else "")
    lag = sum(each["lag"] or 0 for each in job["partitions"])
    ages = [each["lag_ms"] for each in job["partitions"] if each["lag_ms"] is not None]
    age = f", the oldest {duration_text(max(ages) / 1000)} old" if ages and max(ages) else ""
    running = duration_text(job["running_ms"] / 1000)
    return f"{job['source']}: {workers}, running for {running}, configuration {job['config_hash']}; lag {lag:,} records{age}"


def _records(job: Document, rates: TopRates) -> Table:
    table = _table("records", *(name.replace("_", "-") for name in RECORDS), "in flight")
    table.add_row("a second", *(_rate(rates.books[name]) for name in RECORDS), "")
    table.add_row("in this run", *(f"{job['books'][name]:,}" for name in RECORDS), f"{job['books']['in_flight']:,}")
    return table


def _operations(job: Document, rates: TopRates) -> Table:
    table = _table(
        "operation", "calls/s", "under way", "call p50", "call p95", "delivery p50", "delivery p95", "failed a second"
    )
    flows = {each["operation"]: each for each in job["operations"]}
    for operation in rates.operations:
        flow = flows[operation.name]
        times = [_time(each) for each in (*operation.call_ms, *operation.delivery_ms)]
        under_way = f"{flow['calls_in_flight']} of {flow['calls_allowed']}"
        table.add_row(operation.name, _rate(operation.calls), under_way, *times, one_line(_failed(operation)))
    return table


def _partitions(partitions: Sequence[Document]) -> Table:
    table = _table("partition", "lag", "oldest", "read", "reported", "dead-lettered", "in flight")
    worst = sorted(partitions, key=lambda each: (-(each["lag"] or 0), each["topic"], each["partition"]))
    for each in worst[:MOST_PARTITIONS]:
        lag = "not owned" if each["lag"] is None else f"{each['lag']:,}"
        oldest = duration_text(each["lag_ms"] / 1000) if each["lag_ms"] else ""
        figures = [f"{each['books'][name]:,}" for name in ("read", "reported", "dead_lettered", "in_flight")]
        table.add_row(one_line(f"{each['topic']}:{each['partition']}"), lag, oldest, *figures)
    if (left := len(worst) - MOST_PARTITIONS) > 0:
        table.add_row(f"{left:,} more", "", "", "", "", "", "")
    return table


def _last_lines(job: Document) -> list[str]:
    dedup, lines = job["dedup"], list(job["waits"])
    if job["dead_letters"]:
        reasons = ", ".join(f"{each['reason']} {each['records']:,}" for each in job["dead_letters"])
        lines.append(f"dead letters of this run: {reasons}; {job['dead_letter_share']:.1%} of the last window")
    if dedup["keys"] is not None:
        full = (
            f", {dedup['used_bytes'] / dedup['most_bytes']:.1%} full"
            if dedup["most_bytes"] and dedup["used_bytes"] is not None
            else ""
        )
        lines.append(f"dedup store: {dedup['keys']:,} keys{full}")
    return lines


def _failed(operation: OperationRates) -> str:
    shown: Mapping[tuple[str, str], float] = operation.failed
    return ", ".join(f"{code or name} {_rate(rate)}" for (name, code), rate in sorted(shown.items())) or "none"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 10 or not per_second else f"{per_second:.1f}"  # noqa: PLR2004 - two digits are enough


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:,.0f} ms" if milliseconds < 10_000 else duration_text(milliseconds / 1000)  # noqa: PLR2004 - a person reads seconds above


def _table(first: str, *headings: str) -> Table:
    return plain_table(first, *headings, right=headings)
