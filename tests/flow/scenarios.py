"""The runs of the picture in the documentation, and the marks of time in them."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tests.flow.service import Outage, Service, Window
from tests.flow.world import World
from transforms.base import Kind


class Scenario(NamedTuple):
    """A run of some seconds. The picture shows it from `from_s` on. `allowed` is what the API allows a second, where it allows that."""

    title: str
    world: World
    to_s: int
    from_s: int = 0
    allowed: float | None = None
    band: tuple[float, float] | None = None  # of a special time, in seconds


def quota() -> Scenario:
    """One worker, no setting: the API allows 100 calls a second."""
    service = Service({Kind.EVENT: Window(100)})
    return Scenario(
        "The API allows 100 calls a second, and the source file sets nothing", World(service), 60, allowed=100
    )


def shared_quota() -> Scenario:
    """Four workers, a setting: the API allows 100 calls a second."""
    world = World(Service({Kind.EVENT: Window(100)}), workers=4, limits={"calls": 95})
    return Scenario("The same API, four workers, and report.flow.calls: 95", world, 60, allowed=100)


def outage() -> Scenario:
    """An hour without the API."""
    world = World(Service(outages=(Outage(10_000, 3_610_000),)))
    return Scenario("The end of an outage of an hour (the band)", world, 3_640, 3_595, band=(10, 3_610))


def slower(chance: Random, _kind: Kind, _count: int, now_ms: int) -> float:
    """Return how long the API serves a call: five times as long from the 60th to the 120th second."""
    return chance.uniform(30, 70) * (5 if 60_000 <= now_ms < 120_000 else 1)


def load() -> Scenario:
    """Four workers with 64 senders in all, and an API that serves eight calls at a time, and is slower for a minute (the band)."""
    world = World(Service(places=8, serving_ms=slower), workers=4)
    title = "The API serves 8 calls at a time, four workers have 64 senders; it serves five times slower for a minute (the band)"
    return Scenario(title, world, 180, band=(60, 120))


def one_operation() -> Scenario:
    """Users are limited to five calls a second, events are not; both are in the same log."""
    service = Service({Kind.USER: Window(5)})
    mix = (Kind.EVENT,) * 9 + (Kind.USER,)
    world = World(service, mix=mix, arrivals=1_500)
    return Scenario(
        "The API allows 5 calls of users a second; the log has 150 users and 1,350 events a second", world, 60
    )


SCENARIOS = (quota, shared_quota, outage, load, one_operation)
