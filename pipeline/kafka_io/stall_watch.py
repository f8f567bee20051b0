"""Finds partitions that stand still although they have records to read, from their positions at regular looks.

A client that does not read a partition raises nothing: only the lag stays. The watch does not ask for the cause, so it also finds stalls of
unknown causes. The brokers must confirm each suspicion first: a partition does not stall if its leader does not answer, or if it has nothing to
read (a quiet partition, or one whose latest transaction is open).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pipeline.contracts.values import Partition

MOST_REBUILD_AGAIN_S = 3_600.0
"""The longest time between two new clients."""

FULL_POLL_WEIGHT = 0.1
"""The weight of time while all polls are full: the records of a partition may then wait in the client's queue, behind records of other partitions."""


@dataclass(frozen=True, slots=True)
class StallTimes:
    """The times of a stall, in seconds."""

    look_every_s: float = 1.0
    """The time between two looks at the positions."""

    ask_after_s: float = 5.0
    """The time without progress after which the brokers are asked for the end, and the least time between two such questions."""

    seek_after_s: float = 10.0
    """The time from that answer to the seek to the position."""

    rebuild_after_s: float = 35.0
    """The time from the seek to a new client. More than one fetch may take (kafka-python's `request_timeout_ms` is 30 s), as a large record on a slow line needs."""

    rebuild_again_s: float = 300.0
    """The time to the next new client. It doubles each time while a new client does not help."""


class Remedy(Enum):
    """The action against a stall."""

    SEEK = "seek"
    REBUILD = "rebuild"


class Stall(NamedTuple):
    """A partition that has returned no record for `for_s` seconds although it has records from `position` up to, not including, `end`."""

    partition: Partition
    position: int
    end: int
    for_s: float
    remedy: Remedy


class _Step(Enum):
    """What is known of a partition whose position does not move."""

    QUIET = "no record to read is known"
    BEHIND = "the brokers have records to read"
    SOUGHT = "the brokers have records to read, and its position was sought"


class _StandingStill:
    """One partition since its position last moved."""

    __slots__ = ("for_s", "position", "since_s", "step")

    def __init__(self, position: int, now_s: float) -> None:
        self.position = position
        self.since_s = now_s
        self.enter(_Step.QUIET)

    def enter(self, step: _Step) -> None:
        self.step = step
        self.for_s = 0.0  # time in this step during which the partition could have returned a record


class StallWatch:
    """The clocks of all partitions. The caller gives all times, in seconds of one monotonic clock."""

    def __init__(self, now_s: float, times: StallTimes) -> None:
        self._times = times
        self._after_s = {
            _Step.QUIET: times.ask_after_s,
            _Step.BEHIND: times.seek_after_s,
            _Step.SOUGHT: times.rebuild_after_s,
        }
        self._partitions: dict[Partition, _StandingStill] = {}
        self._had_room = False
        self._looked_s = now_s
        self._asked_s = now_s
        self._rebuild_from_s = now_s
        self._rebuild_again_s = times.rebuild_again_s

    def look_due(self, now_s: float, *, is_full: bool) -> bool:
        """Note a poll, and return whether it is time for a look. `is_full` says that the poll returned as many records as it may."""
        self._had_room = self._had_room or not is_full
        return now_s - self._looked_s >= self._times.look_every_s

    def look(self, now_s: float, positions: Mapping[Partition, int], paused: Collection[Partition]) -> list[Partition]:
        """Compare the positions with those of the last look, and return the partitions whose ends must be asked for.

        The caller then passes the answers to `learn`. The clock of a paused partition stops. A time in which the process was suspended counts as
        at most two looks.
        """
        elapsed_s = min(now_s - self._looked_s, 2 * self._times.look_every_s)
        if not self._had_room:
            elapsed_s *= FULL_POLL_WEIGHT
        self._looked_s, self._had_room = now_s, False
        before, self._partitions = self._partitions, {}
        for partition, position in positions.items():
            still = before.get(partition)
            if still is None or still.position != position:
                still = _StandingStill(position, now_s)
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
        """Apply the answers of the brokers, and return the stalls to act on. A partition that is not in `ends` got no answer."""
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
        """Note an attempt to make a new client, and begin anew with all partitions."""
        if now_s > self._rebuild_from_s + self._rebuild_again_s:  # the last new client helped for a while
            self._rebuild_again_s = self._times.rebuild_again_s
        self._rebuild_from_s = now_s + self._rebuild_again_s
        self._rebuild_again_s = min(2 * self._rebuild_again_s, MOST_REBUILD_AGAIN_S)
        self.forget(now_s)

    def forget(self, now_s: float) -> None:
        """Begin anew with all partitions, as after an outage, in which no record could be returned."""
        self._partitions = {}
        self._looked_s = now_s
