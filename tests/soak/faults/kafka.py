"""Faults of Kafka and of the network to it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from tests.soak.faults.not_made import NotMade
from tests.soak.proxy import FREE, Traffic
from tests.soak.schedule import PlannedFault
from tests.soak.world import World

RESET_EVERY_S = 0.7
SLOW_BYTES_PER_S = 40_000


def partitions_added(world: World, fault: PlannedFault) -> Iterator[float]:
    """Add a partition to the source's topic."""
    if world.cluster.partitions >= world.settings.most_partitions:
        raise NotMade(f"the topic has {world.cluster.partitions} partitions already")
    world.cluster.add_partition()
    world.record.tell(f"the topic has {world.cluster.partitions} partitions now")
    yield fault.lasts_s


def broker_killed(world: World, fault: PlannedFault) -> Iterator[float]:
    """Kill the broker, and start it again."""
    world.cluster.broker.stop_process(at_once=True)
    try:
        yield fault.lasts_s
    finally:
        world.cluster.broker.start()


def broker_stopped(world: World, fault: PlannedFault) -> Iterator[float]:
    """Stop the broker's process, so that connections stay and nothing answers."""
    world.cluster.send_signal(signal.SIGSTOP)
    try:
        yield fault.lasts_s
    finally:
        world.cluster.send_signal(signal.SIGCONT)


def broker_restarted(world: World, fault: PlannedFault) -> Iterator[float]:
    """Restart the broker in good order."""
    world.cluster.broker.stop_process()
    try:
        yield fault.lasts_s
    finally:
        world.cluster.broker.start()


def kafka_reset(world: World, fault: PlannedFault) -> Iterator[float]:
    """Reset all connections to Kafka, again and again."""
    for _ in range(max(1, int(fault.lasts_s / RESET_EVERY_S))):
        world.cluster.proxy.reset()
        yield RESET_EVERY_S


def kafka_black_hole(world: World, fault: PlannedFault) -> Iterator[float]:
    """Swallow everything between the job and Kafka."""
    yield from _with_traffic(world, fault, Traffic(swallows=True))


def kafka_slow(world: World, fault: PlannedFault) -> Iterator[float]:
    """Let few bytes through between the job and Kafka."""
    yield from _with_traffic(world, fault, Traffic(requests_per_s=SLOW_BYTES_PER_S, answers_per_s=SLOW_BYTES_PER_S))


def _with_traffic(world: World, fault: PlannedFault, traffic: Traffic) -> Iterator[float]:
    world.cluster.proxy.set_traffic(traffic)
    try:
        yield fault.lasts_s
    finally:
        world.cluster.proxy.set_traffic(FREE)
