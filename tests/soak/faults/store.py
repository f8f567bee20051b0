"""Faults of the dedup store: a full disk, and a server that is killed, paused or flushed."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

from tests.soak.processes import now_ms
from tests.soak.schedule import PlannedFault
from tests.soak.world import World

LOOK_S = 0.25


def store_full(world: World, fault: PlannedFault) -> Iterator[float]:
    """Let no file of the job grow, also in processes that start meanwhile; then give room again."""
    until_s = time.monotonic() + fault.lasts_s
    try:
        while time.monotonic() < until_s:
            _limit_files(world, 0)
            yield LOOK_S
    finally:
        _limit_files(world, resource.RLIM_INFINITY)


def _limit_files(world: World, most_bytes: int) -> None:
    for command in world.commands():
        for pid in command.pids():
            with suppress(ProcessLookupError):
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, hard))


def redis_killed(world: World, fault: PlannedFault) -> Iterator[float]:
    """Kill the server, and start it again with what is on its disk: every write is."""
    assert world.redis is not None
    world.redis.stop()
    try:
        yield fault.lasts_s
    finally:
        world.redis.start()


def redis_paused(world: World, fault: PlannedFault) -> Iterator[float]:
    """Stop the server's process, so that connections stay and nothing answers."""
    assert world.redis is not None
    pid = world.redis._process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield fault.lasts_s
    finally:
        os.kill(pid, signal.SIGCONT)


def redis_flushed(world: World, fault: PlannedFault) -> Iterator[float]:
    """Remove every key. The job must notice, and say so."""
    import redis

    assert world.redis is not None
    client = redis.Redis.from_url(world.redis.url)
    client.flushall()
    client.close()
    world.record.store_losses_ms.append(now_ms())
    yield fault.lasts_s
