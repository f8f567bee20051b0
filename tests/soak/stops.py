"""Stops and hand-overs at random moments, with an API that takes seconds: whatever ends or hands over forgets nothing under way."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.soak.evidence import PlayedFault
from tests.soak.hosts import LOOK_S, Host, is_running
from tests.soak.kinds import FaultKind
from tests.soak.processes import now_ms
from tests.soak.settings import GRACE_S, READ_TIMEOUT_S, SESSION_S
from tests.soak.world import World

TICK_S = 0.05
UP_S = (0.5, 12.0)
"""The shortest and the longest time from a start of a command to its next end. A command needs some two seconds to begin, and some more to join the group."""

DOWN_S = (0.0, 2.0)
SUPERVISOR_KILLED = 0.15
"""The share of ends in which a supervisor is killed. Its workers must end in order by themselves."""

LATENCIES_MS = (200, 800, 1_500, 2_000)
"""How long the API takes. Less than the client waits: no answer is lost on the way."""

assert max(LATENCIES_MS) < READ_TIMEOUT_S * 1000


@dataclass(frozen=True, slots=True)
class PlannedStop:
    """One end of a command: how long it runs before, how long it is down, whether its supervisor is killed, and how long the API takes from then on."""

    up_s: float
    down_s: float
    kills_supervisor: bool
    latency_ms: int


def plan_stops(seed: int, hosts: int, count: int) -> list[list[PlannedStop]]:
    """Return the ends for each host, `count` in all. It is a pure function of the arguments."""
    chance = random.Random(seed)
    plans: list[list[PlannedStop]] = [[] for _ in range(hosts)]
    for number in range(count):
        plans[number % hosts].append(
            PlannedStop(
                chance.uniform(*UP_S),
                chance.uniform(*DOWN_S),
                chance.random() < SUPERVISOR_KILLED,
                chance.choice(LATENCIES_MS),
            )
        )
    return plans


class Stopper:
    """Ends the commands of all hosts again and again. One thread, as `Player`."""

    def __init__(self, world: World, seed: int, count: int) -> None:
        self._world = world
        self._plans = plan_stops(seed, len(world.hosts), count)
        self.done = 0
        """How many commands were ended."""

    def run(self) -> None:
        """Play all ends, and return when the last command is up again. They are one long fault: nothing need move meanwhile."""
        began_ms = now_ms()
        playing = [self._stops(host, plan) for host, plan in zip(self._world.hosts, self._plans, strict=True)]
        due_s = dict.fromkeys(playing, 0.0)
        while due_s:
            now_s = time.monotonic()
            for steps in [each for each in due_s if due_s[each] <= now_s]:
                wait_s = next(steps, None)
                if wait_s is None:
                    del due_s[steps]
                else:
                    due_s[steps] = now_s + wait_s
            for host in self._world.hosts:
                host.look()
            time.sleep(TICK_S)
        self._world.record.faults += [
            PlayedFault(kind, began_ms, now_ms()) for kind in (FaultKind.HOST_TERMINATED, FaultKind.SUPERVISOR_KILLED)
        ]

    def _stops(self, host: Host, plan: Sequence[PlannedStop]) -> Iterator[float]:
        for planned in plan:
            while host.command is None:
                yield LOOK_S
            yield planned.up_s
            self._world.stand_in.set_faults(
                "slow", {"name": "slow", "do": "delay", "latency": f"{planned.latency_ms}ms"}
            )
            if planned.kills_supervisor and host.workers and host.command is not None:
                yield from self._kill_supervisor(host)
            else:
                yield from host.stop()
                yield planned.down_s
                host.restart()
            self.done += 1

    def _kill_supervisor(self, host: Host) -> Iterator[float]:
        """Kill a supervisor. Its workers end beside the next command of the host."""
        assert host.command is not None
        command, workers, began_s = host.command.name, host.kill_supervisor(), time.monotonic()
        while (
            left := [pid for pid in workers if is_running(pid)]
        ) and time.monotonic() - began_s < GRACE_S + SESSION_S:
            yield LOOK_S
        host.left_behind(command, left, time.monotonic() - began_s)
