"""What each fault does: a generator that begins the fault, yields how many seconds to wait until it goes on, and ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.soak.faults import api, clock, dead_letters, kafka, processes, replay, store
from tests.soak.kinds import FaultKind
from tests.soak.schedule import PlannedFault
from tests.soak.world import World

Act = Callable[[World, PlannedFault], Iterator[float]]

ACTS: Mapping[FaultKind, Act] = {
    FaultKind.WORKER_KILLED: processes.worker_killed,
    FaultKind.WORKER_STOPPED: processes.worker_stopped,
    FaultKind.SUPERVISOR_KILLED: processes.supervisor_killed,
    FaultKind.HOST_TERMINATED: processes.host_terminated,
    FaultKind.ROLLING_RESTART: processes.rolling_restart,
    FaultKind.PARTITIONS_ADDED: kafka.partitions_added,
    FaultKind.BROKER_KILLED: kafka.broker_killed,
    FaultKind.BROKER_STOPPED: kafka.broker_stopped,
    FaultKind.BROKER_RESTARTED: kafka.broker_restarted,
    FaultKind.KAFKA_RESET: kafka.kafka_reset,
    FaultKind.KAFKA_BLACK_HOLE: kafka.kafka_black_hole,
    FaultKind.KAFKA_SLOW: kafka.kafka_slow,
    FaultKind.DEAD_TOPIC_DELETED: dead_letters.dead_topic_deleted,
    FaultKind.DEAD_TOPIC_REFUSES: dead_letters.dead_topic_refuses,
    FaultKind.STORE_FULL: store.store_full,
    FaultKind.CLOCK_BACK: clock.clock_back,
    FaultKind.CLOCK_FORWARD: clock.clock_forward,
    FaultKind.API_RESET: api.api_reset,
    FaultKind.API_BLACK_HOLE: api.api_black_hole,
    FaultKind.API_SLOW: api.api_slow,
    FaultKind.REPLAY: replay.replay,
    FaultKind.REDIS_KILLED: store.redis_killed,
    FaultKind.REDIS_PAUSED: store.redis_paused,
    FaultKind.REDIS_FLUSHED: store.redis_flushed,
    **dict.fromkeys(api.SCRIPTS, api.scripted),
}
