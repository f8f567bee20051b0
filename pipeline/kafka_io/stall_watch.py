"""Whether a partition stands still though there is more to read, told from its position at regular looks.

A client that does not read a partition raises nothing: the lag stays, and that is all. Why it does not is not asked here, so that stalls
which nobody knows yet end too. Each suspicion is confirmed by the brokers before anything is done about it: a partition whose leader does
not answer, and one that has nothing to read (a quiet one, or one whose latest transaction is open), does not stall.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pipeline.contracts.values import Partition

MOST_REBUILD_AGAIN_S = 3_600.0
"""The wait between two new clients does not grow beyond this."""

FULL_POLL_WEIGHT = 0.1
"""What time counts for while all polls are full: what a partition has may then wait in the client's queue, behind the records of others."""


@dataclass(frozen=True, slots=True)
class StallTimes:
    """How long a partition may stand still, in seconds."""

    look_every_s: float = 1.0
    ask_after_s: float = 5.0
    """Until the brokers are asked whether it has more to read, and how often they are asked at most."""

    seek_after_s: float = 10.0
    """From that answer until its position is sought."""

    rebuild_after_s: float = 35.0
    """From there until a new client is made. More than a fetch may take (kafka-python's `request_timeout_ms` is 30 s), as that of a large record on a slow line."""

    rebuild_again_s: float = 300.0
    """Until the next new client; twice as long each time while that does not help."""


class Remedy(Enum):
    """What is to be done about a partition that stands still."""

    SEEK = "seek"
    REBUILD = "rebuild"


class Stall(NamedTuple):
    """A partition that has returned nothing for `for_s` seconds though it has records from `position` up to, not including, `end`."""

    partition: Partition
    position: int
    end: int
    for_s: float
    remedy: Remedy


class _Step(Enum):
    QUIET = "nothing to read, as far as is known"
    BEHIND = "something to read"
    SOUGHT = "something to read, and its position was sought"


class _Still:
    """A partition since its position was last seen to move."""

    __slots__ = ("for_s", "position", "since_s", "step")

    def __init__(self, position: int, now_s: float) -> None:
        self.position = position
        self.since_s = now_s
        self.enter(_Step.QUIET)

    def enter(self, step: _Step) -> None:
        self.step = step
        self.for_s = 0.0  # time in this step during which it could have returned something


class StallWatch:
    """The clocks of all partitions. All times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, now_s: float, times: StallTimes) -> None:
        self._times = times
        self._after_s = {
            _Step.QUIET: times.ask_after_s,
            _Step.BEHIND: times.seek_after_s,
            _Step.SOUGHT: times.rebuild_after_s,
        }
        self._partitions: dict[Partition, _Still] = {}
        self._had_room = False
        self._looked_s = now_s
        self._asked_s = now_s
        self._rebuild_from_s = now_s
        self._rebuild_again_s = times.rebuild_again_s

    def look_due(self, now_s: float, *, is_full: bool) -> bool:
        """Take note of a poll, and say whether it is time for a look. `is_full`: it returned as many records as it may."""
        self._had_room = self._had_room or not is_full
        return now_s - self._looked_s >= self._times.look_every_s

    def look(self, now_s: float, positions: Mapping[Partition, int], paused: Collection[Partition]) -> list[Partition]:
        """Compare the positions of the partitions that are read with those of the last look, and return those whose ends must be asked for.

        Whatever answers come must then be given to `learn`. The clock of a paused partition stops. A pause of the process counts as little.
        """
        elapsed_s = min(now_s - self._looked_s, 2 * self._times.look_every_s)
        if not self._had_room:
            elapsed_s *= FULL_POLL_WEIGHT
        self._looked_s, self._had_room = now_s, False
        before, self._partitions = self._partitions, {}
        for partition, position in positions.items():
            still = before.get(partition)
            if still is None or still.position != position:
                still = _Still(position, now_s)
            elif partition not in paused:
                still.for_s += elapsed_s
            self._partitions[partition] = still
        if now_s - self._asked_s < self._times.ask_after_s:
            return []
        asked = [partition for partition, still in self._partitions.items() if still.for_s >= self._after_s[still.step]]
        if asked:
            self._asked_s = now_s
        return asked

    def learn(self, now_s: float, asked: Collection[Partition], ends: Mapping[Partition, int]) -> list[Stall]:
        """Take the brokers' answers in, and return what must be done. A partition that is not in `ends` got no answer."""
        stalls = []
        for partition in asked:
            still, end = self._partitions[partition], ends.get(partition)
            if end is None or end <= still.position:
                still.enter(_Step.QUIET)
            elif still.step is _Step.QUIET:
                still.enter(_Step.BEHIND)
            else:
                remedy = Remedy.SEEK if still.step is _Step.BEHIND else Remedy.REBUILD
                still.enter(_Step.SOUGHT)
                if remedy is Remedy.SEEK or now_s >= self._rebuild_from_s:
                    stalls.append(Stall(partition, still.position, end, now_s - still.since_s, remedy))
        return stalls

    def rebuilt(self, now_s: float) -> None:
        """Take note that a new client was made, or tried to be. It stands still nowhere yet."""
        if now_s > self._rebuild_from_s + self._rebuild_again_s:  # the last one did help, for a while
            self._rebuild_again_s = self._times.rebuild_again_s
        self._rebuild_from_s = now_s + self._rebuild_again_s
        self._rebuild_again_s = min(2 * self._rebuild_again_s, MOST_REBUILD_AGAIN_S)
        self.forget(now_s)

    def forget(self, now_s: float) -> None:
        """Begin anew with all partitions: nothing could be returned, as in an outage."""
        self._partitions = {}
        self._looked_s = now_s
