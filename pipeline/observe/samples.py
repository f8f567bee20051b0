"""The values of the metrics, from a view of a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from platform import python_version
from typing import NamedTuple

from pipeline.job.flow.state import OPERATIONS
from pipeline.job.histogram import Histogram
from pipeline.job.status import Status
from pipeline.observe import metrics
from pipeline.observe.health import not_ready
from pipeline.observe.job_view import JobView
from pipeline.observe.metrics import Metric
from transforms.base import Kind

MS = 0.001
"""Seconds of a millisecond."""


class Buckets(NamedTuple):
    """The value of a histogram: how many values were at most as large as each bound, and the sum of all. The last bound is infinite."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @classmethod
    def of(cls, histogram: Histogram, unit: float = 1) -> Buckets:
        """Return the value of a histogram. A value of the histogram times `unit` is one of the metric."""
        counts, below = [], 0
        for count in histogram.counts:
            below += count
            counts.append(below)
        bounds = (*(round(bound * unit, 9) for bound in histogram.bounds), float("inf"))
        return cls(bounds, tuple(counts), histogram.sum * unit)


class MetricSample(NamedTuple):
    """One value of a metric. `labels` are the values of the metric's own labels, in their order."""

    metric: Metric
    value: float | Buckets
    labels: tuple[str, ...] = ()


def samples(view: JobView) -> Iterator[MetricSample]:
    """Yield the values of all metrics that have one."""
    yield from _records(view.status)
    yield from _messages(view.status)
    yield from _partitions(view)
    yield from _calls(view)
    yield from _store(view)
    yield from _workers(view)


def _records(status: Status) -> Iterator[MetricSample]:
    books = status.total
    yield MetricSample(metrics.RECORDS_READ, books.read)
    finished = {
        "reported": books.reported,
        "duplicate": books.duplicate - books.redelivered,
        "redelivered": books.redelivered,
        "filtered": books.filtered,
        "dead_lettered": books.dead_lettered,
    }
    for outcome, count in finished.items():
        yield MetricSample(metrics.RECORDS_FINISHED, count, (outcome,))
    yield MetricSample(metrics.RECORDS_RETURNED, books.returned)
    yield MetricSample(metrics.RECORDS_LOST, books.lost_to_retention)
    yield MetricSample(metrics.IN_FLIGHT_RECORDS, books.in_flight)
    yield MetricSample(metrics.IN_FLIGHT_BYTES, status.unfinished_bytes)


def _messages(status: Status) -> Iterator[MetricSample]:
    for ended, count in status.counts.messages.items():
        yield MetricSample(metrics.MESSAGES, count, ended)
    held = {hold.kind: hold.messages for hold in status.holds}
    for kind in Kind:
        yield MetricSample(metrics.MESSAGES_HELD, held.get(kind, 0), (OPERATIONS[kind],))
    yield MetricSample(metrics.MESSAGES_ELSEWHERE, status.waiting_elsewhere)
    yield from _histograms(metrics.DELIVERY_LATENCY, status.counts.delivery_ms, MS)
    reasons: Counter[str] = Counter()
    for (reason, _), count in status.warnings.items():
        reasons[reason] += count
    for reason, count in reasons.items():
        yield MetricSample(metrics.CATALOGUE_WARNINGS, count, (reason,))
    for (stage, code), count in status.counts.dead_letters.items():
        yield MetricSample(metrics.DEAD_LETTERS, count, (stage, code))
    yield MetricSample(metrics.DEAD_LETTER_RATIO, status.dead_share)


def _partitions(view: JobView) -> Iterator[MetricSample]:
    status = view.status
    for (topic, partition), lag in status.lag.items():
        yield MetricSample(metrics.LAG_RECORDS, lag, (topic, str(partition)))
    for (topic, partition), lag_s in view.lag_s.items():
        yield MetricSample(metrics.LAG_SECONDS, lag_s, (topic, str(partition)))
    yield MetricSample(metrics.HEAD_AGE, status.head_age_ms * MS)
    yield MetricSample(metrics.PARTITIONS, len(status.lag))
    for reason, count in status.paused.items():
        yield MetricSample(metrics.PARTITIONS_PAUSED, count, (reason.name.lower(),))
    yield MetricSample(metrics.STALLS, status.stalls)
    yield MetricSample(metrics.COMMITS, status.counts.commits, ("taken",))
    yield MetricSample(metrics.COMMITS, status.counts.commits_failed, ("failed",))
    yield MetricSample(metrics.REBALANCES, status.counts.rebalances)
    yield MetricSample(metrics.BROKERS_UP, not status.source.is_away)
    yield MetricSample(metrics.DEAD_LETTER_TOPIC_UP, not status.dead_letters_away)


def _calls(view: JobView) -> Iterator[MetricSample]:
    attempts = view.status.attempts
    for answer, calls in attempts.answers.items():
        yield MetricSample(metrics.API_CALLS, calls, (OPERATIONS[answer.kind], answer.answer_class, answer.code))
    yield from _histograms(metrics.API_CALL_DURATION, attempts.call_ms, MS)
    yield from _histograms(metrics.BATCH_MESSAGES, attempts.batch_messages)
    yield MetricSample(metrics.API_RETRIES, attempts.retries)
    yield MetricSample(metrics.BATCHES_HALVED, attempts.halvings)
    yield MetricSample(metrics.RESENT_IN_DOUBT, attempts.resent_in_doubt)
    yield MetricSample(metrics.BATCHES_WAITING, view.status.queued)
    for flow in view.status.flows:
        labels = (OPERATIONS[flow.kind],)
        away_ms = 0 if flow.away_since_ms is None else max(0, view.now_ms - flow.away_since_ms)
        yield MetricSample(metrics.DESTINATION_UP, flow.away_since_ms is None, labels)
        yield MetricSample(metrics.DESTINATION_AWAY, away_ms * MS, labels)
        yield MetricSample(metrics.API_CALLS_NOW, flow.sending, labels)
        yield MetricSample(metrics.API_CALLS_ALLOWED, flow.limit, labels)
        if flow.rate is not None:
            yield MetricSample(metrics.API_RATE_ALLOWED, flow.rate, labels)
    for (kind, why), waited_ms in view.status.counts.waited_ms.items():
        yield MetricSample(metrics.API_WAITED, waited_ms * MS, (OPERATIONS[kind], why.name.lower()))


def _store(view: JobView) -> Iterator[MetricSample]:
    usage = view.status.usage
    yield MetricSample(metrics.DEDUP_UP, not view.status.store_away)
    known = {
        metrics.DEDUP_KEYS: usage.keys,
        metrics.DEDUP_USED: usage.used_bytes,
        metrics.DEDUP_LIMIT: usage.most_bytes,
    }
    for metric, value in known.items():
        if value is not None:
            yield MetricSample(metric, value)
    for verb, histogram in view.status.counts.store_ms.items():
        yield MetricSample(metrics.DEDUP_DURATION, Buckets.of(histogram, MS), (verb,))


def _workers(view: JobView) -> Iterator[MetricSample]:
    yield MetricSample(metrics.WORKERS, len(view.workers))
    yield MetricSample(
        metrics.WORKERS_UP, sum(worker.pid is not None and worker.status is not None for worker in view.workers)
    )
    yield MetricSample(metrics.WORKER_RESTARTS, sum(worker.restarts for worker in view.workers))
    for worker in view.workers:
        if (still_ms := worker.still_ms(view.now_ms)) is not None:
            yield MetricSample(metrics.WORKER_LAST_TURN, still_ms * MS, (str(worker.number),))
    yield MetricSample(metrics.READY, not not_ready(view))
    yield MetricSample(metrics.CONFIG, 1, (view.config_hash,))
    yield MetricSample(metrics.CONFIG_RELOADS, view.reloads, ("taken",))
    yield MetricSample(metrics.CONFIG_RELOADS, view.reloads_refused, ("refused",))
    yield MetricSample(metrics.CONFIG_CURRENT, not view.is_file_refused)
    yield MetricSample(metrics.BUILD, 1, (version("log2mq"), python_version()))
    yield MetricSample(metrics.START_TIME, view.begun_ms * MS)


def _histograms(metric: Metric, by_kind: Mapping[Kind, Histogram], unit: float = 1) -> Iterator[MetricSample]:
    for kind, histogram in by_kind.items():
        yield MetricSample(metric, Buckets.of(histogram, unit), (OPERATIONS[kind],))
