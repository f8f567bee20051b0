"""Plays a schedule of faults in a world. One thread, the main one: a broker must be started by a thread that lives as long as it does."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException

from tests.soak.evidence import PlayedFault, UnmadeFault
from tests.soak.faults import ACTS, Act
from tests.soak.faults.not_made import NotMade
from tests.soak.kinds import FaultKind
from tests.soak.processes import now_ms
from tests.soak.schedule import PlannedFault
from tests.soak.world import World

TICK_S = 0.05
OVERTIME_S = 150.0
"""How long a fault may go on after the end of the soak, such as a replay."""


@dataclass(slots=True)
class _Playing:
    fault: PlannedFault
    steps: Iterator[float]
    from_ms: int
    due_s: float


class Player:
    """Begins faults when they are due, lets them go on, and ends them."""

    def __init__(self, world: World, schedule: Sequence[PlannedFault], acts: Mapping[FaultKind, Act] = ACTS) -> None:
        """`acts` are what the kinds of faults do."""
        self._world = world
        self._acts = acts
        self._waiting = deque(schedule)
        self._playing: list[_Playing] = []

    def tick(self, now_s: float) -> None:
        """Do what is due, `now_s` seconds after the start; and let the hosts' service managers look."""
        while self._waiting and self._waiting[0].starts_s <= now_s:
            fault = self._waiting.popleft()
            self._world.record.tell(f"begins: {fault.kind} for {fault.lasts_s:.0f} s")
            self._playing.append(_Playing(fault, self._acts[fault.kind](self._world, fault), now_ms(), now_s))
        for each in list(self._playing):
            if each.due_s <= now_s:
                self._step(each, now_s)
        for host in self._world.hosts:
            host.look()

    def run(self, seconds: float) -> None:
        """Play for so long, and until the last fault has ended."""
        began_s = time.monotonic()
        while (now_s := time.monotonic() - began_s) < seconds or (self._playing and now_s < seconds + OVERTIME_S):
            self.tick(now_s)
            time.sleep(TICK_S)
        for each in list(self._playing):
            each.steps.close()  # type: ignore[attr-defined] # every act is a generator
            self._end(each)

    def _step(self, playing: _Playing, now_s: float) -> None:
        try:
            playing.due_s = now_s + next(playing.steps)
        except StopIteration:
            self._end(playing)
        except NotMade as reason:
            self._not_made(playing, str(reason))
            self._playing.remove(playing)
        except KafkaException as error:
            self._not_made(playing, f"cannot go on: {error}")
            self._end(playing)  # it may have begun

    def _not_made(self, playing: _Playing, reason: str) -> None:
        self._world.record.unmade.append(UnmadeFault(now_ms(), playing.fault.kind, reason))
        self._world.record.tell(f"not made: {playing.fault.kind}: {reason}")

    def _end(self, playing: _Playing) -> None:
        self._playing.remove(playing)
        self._world.record.faults.append(PlayedFault(playing.fault.kind, playing.from_ms, now_ms()))
        self._world.record.tell(f"ended: {playing.fault.kind}")
