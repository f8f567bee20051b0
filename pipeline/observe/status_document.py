"""The status of a running job as JSON: the answer of `/status`, which `log2mq top` shows."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from pipeline.job.flow.state import OPERATIONS
from pipeline.job.histogram import Histogram
from pipeline.job.status import Status
from pipeline.observe.health import not_ready
from pipeline.observe.job_view import JobView, WorkerView


def status_document(view: JobView) -> dict[str, Any]:
    """Return the status. Names say the units; times since something are in ms."""
    status = view.status
    return {
        "source": view.source,
        "version": version("log2mq"),
        "config_hash": view.config_hash,
        "running_ms": max(0, view.unix_ms - view.begun_ms),
        "not_ready": [{"reason": reason.code, "text": reason.text} for reason in not_ready(view)],
        "workers": [_worker(worker, view.now_ms) for worker in view.workers],
        "books": status.total.as_dict(),
        "partitions": _partitions(view),
        "in_flight_bytes": status.unfinished_bytes,
        "batches_waiting": status.queued,
        "messages_waiting_elsewhere": status.waiting_elsewhere,
        "operations": _operations(view),
        "messages": [{**ended._asdict(), "messages": count} for ended, count in sorted(status.counts.messages.items())],
        "dead_letters": [
            {"stage": stage, "reason": reason, "records": count}
            for (stage, reason), count in sorted(status.counts.dead_letters.items())
        ],
        "dead_letter_share": round(status.dead_share, 4),
        "dedup": _dedup(status),
        "paused": {reason.name.lower(): count for reason, count in status.paused.items()},
        "waits": _waits(view),
    }


def _worker(worker: WorkerView, now_ms: int) -> dict[str, Any]:
    return {
        "worker": worker.number,
        "pid": worker.pid,
        "restarts": worker.restarts,
        "last_turn_ms": worker.still_ms(now_ms),
        "partitions": len(worker.status.lag) if worker.status is not None else 0,
    }


def _partitions(view: JobView) -> list[dict[str, Any]]:
    status, lag_s = view.status, view.lag_s
    found = []
    for partition, books in sorted(status.books.items()):
        age_s = lag_s.get((partition.topic, partition.partition))
        found.append(
            {
                "topic": partition.topic,
                "partition": partition.partition,
                "lag": status.lag.get(partition),
                "lag_ms": None if age_s is None else round(age_s * 1000),
                "books": books.as_dict(),
            }
        )
    return found


def _operations(view: JobView) -> list[dict[str, Any]]:
    status, found = view.status, []
    for flow in status.flows:
        attempts, kind = status.attempts, flow.kind
        answers = [each for each in attempts.answers.items() if each[0].kind is kind]
        found.append(
            {
                "operation": OPERATIONS[kind],
                "calls_in_flight": flow.sending,
                "calls_allowed": flow.limit,
                "calls_per_second_allowed": flow.rate,
                "away_ms": None if flow.away_since_ms is None else max(0, view.now_ms - flow.away_since_ms),
                "slowed": flow.line(status.at_ms),
                "answers": [
                    {"class": answer.answer_class, "code": answer.code, "calls": calls}
                    for answer, calls in sorted(answers, key=lambda each: each[0][1:])
                ],
                "call_ms": _histogram(attempts.call_ms[kind]),
                "delivery_ms": _histogram(status.counts.delivery_ms[kind]),
            }
        )
    return found


def _dedup(status: Status) -> dict[str, Any]:
    durations = {verb.value: _histogram(histogram) for verb, histogram in status.counts.store_ms.items()}
    return {**status.usage._asdict(), "away": status.store_away, "ms": durations}


def _waits(view: JobView) -> list[str]:
    """Return what the job waits for, as sentences: why it is slow, what is held, what cannot be decoded yet."""
    status = view.status
    said = [flow.line(status.at_ms) for flow in status.flows] + [hold.line(status.at_ms) for hold in status.holds]
    return [line for line in (*said, status.held) if line]


def _histogram(histogram: Histogram) -> dict[str, Any]:
    """Return a histogram: how many values lie at or below each bound and above the one before. The last count has no bound."""
    return {"bounds": histogram.bounds, "counts": histogram.counts, "sum": round(histogram.sum, 3)}
