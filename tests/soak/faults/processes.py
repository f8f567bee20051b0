"""Faults of processes: killed, stopped, told to end, restarted one after the other."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

from tests.soak.faults.not_made import NotMade
from tests.soak.hosts import LOOK_S, Host, is_running
from tests.soak.schedule import PlannedFault
from tests.soak.settings import GRACE_S, SESSION_S
from tests.soak.world import World


def _a_worker(world: World, fault: PlannedFault) -> tuple[Host, int]:
    found = [(host, pid) for host in world.hosts for pid in host.pids()]
    if not found:
        raise NotMade("no process reports")
    return found[fault.choice % len(found)]


def worker_killed(world: World, fault: PlannedFault) -> Iterator[float]:
    """Kill one process that reports."""
    host, pid = _a_worker(world, fault)
    host.interrupt(pid, signal.SIGKILL)
    yield fault.lasts_s


def worker_stopped(world: World, fault: PlannedFault) -> Iterator[float]:
    """Stop one process for longer than its session and its lease, then let it go on."""
    host, pid = _a_worker(world, fault)
    host.interrupt(pid, signal.SIGSTOP)
    try:
        yield fault.lasts_s
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
            world.record.tell(f"SIGCONT to {pid}")


def supervisor_killed(world: World, fault: PlannedFault) -> Iterator[float]:
    """Kill a supervisor. Its workers must notice, finish what is under way, and end within the grace."""
    host = next(host for host in world.hosts if host.workers)
    if host.command is None:
        raise NotMade("no supervisor runs")
    command, workers, began_s = host.command.name, host.kill_supervisor(), time.monotonic()
    limit_s = GRACE_S + SESSION_S
    while (left := [pid for pid in workers if is_running(pid)]) and time.monotonic() - began_s < limit_s:
        yield LOOK_S
    host.left_behind(command, left, time.monotonic() - began_s)
    yield max(0.0, fault.lasts_s - (time.monotonic() - began_s))


def host_terminated(world: World, fault: PlannedFault) -> Iterator[float]:
    """Tell the command of a host to end, and start it again later."""
    host = world.hosts[fault.choice % len(world.hosts)]
    yield from host.stop()
    yield fault.lasts_s
    host.restart()


def rolling_restart(world: World, fault: PlannedFault) -> Iterator[float]:
    """Restart one host after the other."""
    for host in world.hosts:
        yield from host.stop()
        host.restart()
        yield fault.lasts_s / len(world.hosts)
