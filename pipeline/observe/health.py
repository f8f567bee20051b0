"""Whether a job is alive, and whether it is ready: what `/livez` and `/readyz` say, with the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from pipeline.job.flow.state import OPERATIONS
from pipeline.observe.job_view import JobView
from pipeline.observe.progress import duration_text

STILL_LIMIT_MS = 60_000
"""The time after which a loop that tells nothing counts as hung. It tells its status twice a second, also while it waits for brokers or a store."""


class NotReady(StrEnum):
    """Why a job is not ready. `docs/metrics.md` explains each."""

    STARTING = "starting"
    NO_GROUP = "no_group"
    NO_BROKER = "no_broker"
    DEAD_LETTER_TOPIC = "dead_letter_topic"
    STORE = "store"
    DESTINATION = "destination"
    HALTED = "halted"
    DRAINING = "draining"
    HUNG = "hung"


class Reason(NamedTuple):
    """A reason, and what was found, as a sentence without a full stop."""

    code: NotReady
    text: str


def hung(view: JobView) -> list[Reason]:
    """Return a reason for each worker whose loop stands still: then the process should be started again.

    A worker that has told no status yet waits for Kafka or for its store, and one that ends has a deadline of its own: neither is hung.
    """
    found = []
    for worker in view.workers:
        still_ms = worker.still_ms(view.now_ms)
        is_ending = worker.status is not None and worker.status.stopping
        if still_ms is not None and still_ms > STILL_LIMIT_MS and not is_ending:
            text = f"worker {worker.number} (process {worker.pid}) has stood still for {duration_text(still_ms / 1000)}"
            found.append(Reason(NotReady.HUNG, text))
    return found


def not_ready(view: JobView) -> list[Reason]:
    """Return the reasons for which a job is not ready; none if it works."""
    return [*_ending(view), *_starting(view), *_waiting(view), *hung(view)]


def _ending(view: JobView) -> Iterator[Reason]:
    if view.status.halt:
        yield Reason(NotReady.HALTED, view.status.halt)
    elif view.is_stopping:
        yield Reason(NotReady.DRAINING, "the job ends: it finishes what is in flight")


def _starting(view: JobView) -> Iterator[Reason]:
    if not view.workers:
        yield Reason(NotReady.STARTING, "the job has not begun: it waits for Kafka, or for the dedup store")
    for worker in view.workers:
        if worker.status is None:
            waits = "has not begun: it waits for Kafka, or for the dedup store"
            yield Reason(NotReady.STARTING, f"worker {worker.number} {waits}")
        elif not (worker.status.source.is_member or view.is_stopping):
            yield Reason(NotReady.NO_GROUP, f"worker {worker.number} is not in the consumer group yet")


def _waiting(view: JobView) -> Iterator[Reason]:
    for worker in view.workers:
        if (status := worker.status) is None:
            continue
        if status.source.is_away:
            yield Reason(NotReady.NO_BROKER, f"the brokers do not answer worker {worker.number}")
        if status.dead_letters_away:
            yield Reason(NotReady.DEAD_LETTER_TOPIC, "the dead-letter topic takes no records")
        if status.store_away:
            yield Reason(NotReady.STORE, status.held)
        for flow in status.flows:
            away_ms = 0 if flow.away_since_ms is None else view.now_ms - flow.away_since_ms
            if away_ms > view.away_limit_ms:
                name, time = OPERATIONS[flow.kind], duration_text(away_ms / 1000)
                yield Reason(NotReady.DESTINATION, f"{name}: Quick Audience has been away for {time} ({flow.code})")
