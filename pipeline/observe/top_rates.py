"""What a running job does in a second: the difference of two of its status documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]
"""The status of one job, as `status_document` makes it."""

BUSY_STORE = 0.5
"""The share of its time for which a loop may wait for the dedup store until that is the slowest stage."""


@dataclass(frozen=True, slots=True)
class OperationRates:
    """One operation: calls a second, failed calls a second by class and code, and the times that half and 95 % of calls and deliveries stay below, in ms."""

    name: str
    calls: float
    failed: Mapping[tuple[str, str], float]
    call_ms: tuple[float | None, float | None]
    delivery_ms: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class TopRates:
    """The rates of a job between two looks, a second. `slowest` says which stage holds the others up, as a sentence without a full stop."""

    seconds: float
    books: Mapping[str, float] = field(default_factory=dict)
    operations: tuple[OperationRates, ...] = ()
    slowest: str = ""

    @classmethod
    def between(cls, before: Document, now: Document) -> TopRates:
        """Return the rates from one document to a later one of the same run. A run that began anew counts from 0."""
        seconds = (now["running_ms"] - before["running_ms"]) / 1000
        if seconds <= 0:
            before, seconds = {}, max(0.001, now["running_ms"] / 1000)
        books = {
            name: max(0, count - before.get("books", {}).get(name, 0)) / seconds for name, count in now["books"].items()
        }
        earlier = {each["operation"]: each for each in before.get("operations", ())}
        operations = tuple(_operation(earlier.get(each["operation"], {}), each, seconds) for each in now["operations"])
        return cls(seconds, books, operations, _slowest(before, now, operations, seconds))


def quantile(share: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """Return the value that this share of the values stays below, by a straight line within its bucket, as Prometheus does it.

    None without a value. Above the last bound it is the last bound.
    """
    total = sum(counts)
    if total <= 0:
        return None
    rank, below, least = share * total, 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if count and below + count >= rank:
            return least + (bound - least) * (rank - below) / count
        below += count
        least = bound
    return least


def _operation(before: Document, now: Document, seconds: float) -> OperationRates:
    counted = {(each["class"], each["code"]): each["calls"] for each in before.get("answers", ())}
    rates = {
        (each["class"], each["code"]): (each["calls"] - counted.get((each["class"], each["code"]), 0)) / seconds
        for each in now["answers"]
    }
    failed = {answer: rate for answer, rate in rates.items() if answer[0] != "accepted" and rate > 0}
    times = [_quantiles(before.get(name), now[name]) for name in ("call_ms", "delivery_ms")]
    return OperationRates(now["operation"], max(0.0, sum(rates.values())), failed, times[0], times[1])


def _quantiles(before: Document | None, now: Document) -> tuple[float | None, float | None]:
    counts = now["counts"]
    if before is not None:
        counts = [max(0, count - earlier) for count, earlier in zip(counts, before["counts"], strict=True)]
    return quantile(0.5, now["bounds"], counts), quantile(0.95, now["bounds"], counts)


def _slowest(before: Document, now: Document, operations: Sequence[OperationRates], seconds: float) -> str:
    """Return what the records wait for most."""
    slowed = [each["slowed"] for each in now["operations"] if each["slowed"]]
    if slowed:
        return f"Quick Audience: {slowed[0]}"
    if now["waits"]:
        return str(now["waits"][0])
    stores, earlier = now["dedup"]["ms"], before.get("dedup", {}).get("ms", {})
    waited_ms = sum(each["sum"] - earlier.get(verb, {"sum": 0})["sum"] for verb, each in stores.items())
    share = waited_ms / 1000 / seconds / max(1, len(now["workers"]))
    if share > BUSY_STORE:
        return f"the dedup store: the loop waits for it {share:.0%} of the time"
    if "senders" in now["paused"]:
        (call_ms, _), name = operations[0].call_ms, operations[0].name
        took = f", {call_ms:,.0f} ms each" if call_ms is not None else ""
        return f"calls to Quick Audience: batches wait for a sender ({name}{took}); see report.senders"
    if any(each["lag"] for each in now["partitions"]):
        return "the conversion of records: more --workers, up to the number of partitions, read faster"
    return "none: every record is read"
