"""Faults of the job's wall clock. The stand-in's clock goes with it, because it refuses calls of another time."""

from __future__ import annotations

from collections.abc import Iterator

from tests.soak.schedule import PlannedFault
from tests.soak.world import World

HOUR_S = 3_600


def clock_back(world: World, fault: PlannedFault) -> Iterator[float]:
    """Set the clock back by an hour, then right."""
    yield from _shifted(world, fault, -HOUR_S)


def clock_forward(world: World, fault: PlannedFault) -> Iterator[float]:
    """Set the clock forward by an hour, then right: back by an hour."""
    yield from _shifted(world, fault, HOUR_S)


def _shifted(world: World, fault: PlannedFault, seconds: int) -> Iterator[float]:
    world.stand_in.set_clock(seconds)
    world.clock.set_seconds(seconds)
    try:
        yield fault.lasts_s
    finally:
        world.stand_in.set_clock(0)
        world.clock.set_seconds(0)
