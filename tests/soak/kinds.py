"""The kinds of faults: where each happens, how long it lasts, and the exit codes that it may cost a job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """Everything that a soak does to the job, as `--faults` names it."""

    WORKER_KILLED = "worker-killed"
    WORKER_STOPPED = "worker-stopped"
    SUPERVISOR_KILLED = "supervisor-killed"
    HOST_TERMINATED = "host-terminated"
    ROLLING_RESTART = "rolling-restart"
    PARTITIONS_ADDED = "partitions-added"
    BROKER_KILLED = "broker-killed"
    BROKER_STOPPED = "broker-stopped"
    BROKER_RESTARTED = "broker-restarted"
    KAFKA_RESET = "kafka-reset"
    KAFKA_BLACK_HOLE = "kafka-black-hole"
    KAFKA_SLOW = "kafka-slow"
    DEAD_TOPIC_DELETED = "dead-topic-deleted"
    DEAD_TOPIC_REFUSES = "dead-topic-refuses"
    STORE_FULL = "store-full"
    CLOCK_BACK = "clock-back"
    CLOCK_FORWARD = "clock-forward"
    API_LATENCY = "api-latency"
    API_THROTTLING = "api-throttling"
    API_UNAVAILABLE = "api-unavailable"
    API_INTERNAL_ERROR = "api-internal-error"
    API_GARBAGE = "api-garbage"
    API_HANGS = "api-hangs"
    API_CUT_BEFORE = "api-cut-before"
    API_CUT_AFTER = "api-cut-after"
    API_KNOWN_CODE = "api-known-code"
    API_UNKNOWN_CODE = "api-unknown-code"
    API_ONE_OPERATION = "api-one-operation"
    API_LONG_OUTAGE = "api-long-outage"
    API_RESET = "api-reset"
    API_BLACK_HOLE = "api-black-hole"
    API_SLOW = "api-slow"
    REPLAY = "replay"
    REDIS_KILLED = "redis-killed"
    REDIS_PAUSED = "redis-paused"
    REDIS_FLUSHED = "redis-flushed"


class Place(StrEnum):
    """Where a fault happens."""

    PROCESSES = "processes"
    KAFKA = "kafka"
    DEAD_LETTERS = "dead letters"
    STORE = "store"
    CLOCK = "clock"
    API = "api"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class FaultNature:
    """What is the same for all faults of a kind.

    `shortest_s` and `longest_s` bound how long one lasts. `holds` says whether a partition may stand still while it lasts. `exits` are the exit codes with which a job may end because of it: codes that
    tell a person to mend something. After all other faults a job goes on by itself.
    """

    place: Place
    shortest_s: float
    longest_s: float
    exits: frozenset[int] = frozenset()
    holds: bool = True


def _nature(place: Place, shortest_s: float, longest_s: float, *exits: int, holds: bool = True) -> FaultNature:
    return FaultNature(place, shortest_s, longest_s, frozenset(exits), holds)


NATURES: dict[FaultKind, FaultNature] = {
    FaultKind.WORKER_KILLED: _nature(Place.PROCESSES, 1, 3),
    # Longer than the session (6 s) and the lease (3 s).
    FaultKind.WORKER_STOPPED: _nature(Place.PROCESSES, 10, 15),
    FaultKind.SUPERVISOR_KILLED: _nature(Place.PROCESSES, 2, 4),
    FaultKind.HOST_TERMINATED: _nature(Place.PROCESSES, 2, 6),
    FaultKind.ROLLING_RESTART: _nature(Place.PROCESSES, 4, 8),
    FaultKind.PARTITIONS_ADDED: _nature(Place.KAFKA, 1, 2, holds=False),
    FaultKind.BROKER_KILLED: _nature(Place.KAFKA, 3, 12),
    FaultKind.BROKER_STOPPED: _nature(Place.KAFKA, 3, 15),
    FaultKind.BROKER_RESTARTED: _nature(Place.KAFKA, 1, 3),
    FaultKind.KAFKA_RESET: _nature(Place.KAFKA, 2, 8),
    FaultKind.KAFKA_BLACK_HOLE: _nature(Place.KAFKA, 3, 15),
    FaultKind.KAFKA_SLOW: _nature(Place.KAFKA, 5, 12),
    FaultKind.DEAD_TOPIC_DELETED: _nature(Place.DEAD_LETTERS, 5, 15),
    FaultKind.DEAD_TOPIC_REFUSES: _nature(Place.DEAD_LETTERS, 5, 12, 6),
    FaultKind.STORE_FULL: _nature(Place.STORE, 4, 10, 5),
    FaultKind.CLOCK_BACK: _nature(Place.CLOCK, 10, 20, holds=False),
    FaultKind.CLOCK_FORWARD: _nature(Place.CLOCK, 10, 20, holds=False),
    FaultKind.API_LATENCY: _nature(Place.API, 6, 15, holds=False),
    FaultKind.API_THROTTLING: _nature(Place.API, 5, 15),
    FaultKind.API_UNAVAILABLE: _nature(Place.API, 4, 12),
    FaultKind.API_INTERNAL_ERROR: _nature(Place.API, 4, 12),
    FaultKind.API_GARBAGE: _nature(Place.API, 4, 12),
    FaultKind.API_HANGS: _nature(Place.API, 6, 12),
    FaultKind.API_CUT_BEFORE: _nature(Place.API, 4, 12),
    FaultKind.API_CUT_AFTER: _nature(Place.API, 4, 12),
    FaultKind.API_KNOWN_CODE: _nature(Place.API, 5, 12),
    FaultKind.API_UNKNOWN_CODE: _nature(Place.API, 8, 20),
    FaultKind.API_ONE_OPERATION: _nature(Place.API, 10, 20),
    # Longer than session, lease, every back-off and `kafka.give_up_after` (40 s).
    FaultKind.API_LONG_OUTAGE: _nature(Place.API, 45, 55),
    FaultKind.API_RESET: _nature(Place.API, 2, 8),
    FaultKind.API_BLACK_HOLE: _nature(Place.API, 4, 12),
    FaultKind.API_SLOW: _nature(Place.API, 6, 12),
    FaultKind.REPLAY: _nature(Place.REPLAY, 5, 10, holds=False),
    FaultKind.REDIS_KILLED: _nature(Place.STORE, 1, 5),
    FaultKind.REDIS_PAUSED: _nature(Place.STORE, 2, 10),
    FaultKind.REDIS_FLUSHED: _nature(Place.STORE, 1, 2, 5, holds=False),
}


def may_overlap(first: FaultKind, second: FaultKind) -> bool:
    """Whether two faults may happen at the same time: they are in different places, and at most one of them needs or stops the broker."""
    places = {NATURES[first].place, NATURES[second].place}
    return len(places) == 2 and places != {Place.KAFKA, Place.DEAD_LETTERS}


ON_REDIS = frozenset({FaultKind.REDIS_KILLED, FaultKind.REDIS_PAUSED, FaultKind.REDIS_FLUSHED})
ON_ONE_HOST = frozenset({FaultKind.STORE_FULL})
"""It needs the embedded store: a full disk."""


def kinds_for(*, on_redis: bool) -> tuple[FaultKind, ...]:
    """Return the kinds of the mode with a second host on Redis, or of the mode on one host."""
    left_out = ON_ONE_HOST if on_redis else ON_REDIS
    return tuple(kind for kind in FaultKind if kind not in left_out)
