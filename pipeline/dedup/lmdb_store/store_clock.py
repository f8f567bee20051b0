"""The time of an embedded store. All processes of the host share it, and it never jumps, whatever happens to the wall clock.

Within a boot of the machine it is the time since the start of the machine plus an *anchor*, which the first opening of the boot keeps in the
tables of the boot. So leases and expiries are compared with the same clock that wrote them. NTP corrects the rate of this clock as it corrects
that of the wall clock; so over weeks the two differ only by the steps in which the wall clock was set, and nothing has to follow those.

Between two boots only the wall clock can tell how much time has passed. It may be wrong in either boot, so the store does not take its time from
it, but goes on from the newest time that it has noted, by the difference between the two readings of the wall clock: at least 0, and at most a
quarter of the time to live. What follows from this:

* A wall clock that is wrong when a machine starts, by whatever amount, makes the store forget at most the keys that had less than a quarter of
  their time to live left. Only several such starts within one time to live can make it forget more.
* A machine that was switched off for longer than a quarter of the time to live remembers keys for longer than it must. This costs space only.
* A store whose first opening had a wrong wall clock keeps times that are as wrong, for ever. Nothing compares them with another clock.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.dedup.clocks import Clocks

MOST_OF_KEEP = 4
"""The time between two boots counts for at most one part in so many of the time to live."""


class NotedTime(NamedTuple):
    """A time of the store that is kept on the disk, and what the wall clock said then. Both are ms."""

    store_ms: int
    wall_ms: int

    def write(self) -> bytes:
        """Return the times as bytes."""
        return self.store_ms.to_bytes(8) + self.wall_ms.to_bytes(8, signed=True)

    @classmethod
    def read(cls, value: bytes) -> NotedTime:
        """Return the times from the bytes of `write`."""
        return cls(int.from_bytes(value[:8]), int.from_bytes(value[8:], signed=True))


class StoreClock:
    """The clock of an open store."""

    def __init__(self, clocks: Clocks, anchor_ms: int) -> None:
        self._clocks = clocks
        self.anchor_ms = anchor_ms
        """The time of the store at the start of the machine."""

    def now_ms(self) -> int:
        """Return the time of the store."""
        return self._clocks.boot() + self.anchor_ms

    def note(self) -> NotedTime:
        """Return the times to be kept on the disk."""
        return NotedTime(self.now_ms(), self._clocks.wall())


def begin_clock(clocks: Clocks, noted: NotedTime | None, keep_ms: int) -> StoreClock:
    """Return the clock of the first opening in a boot. `noted` is what the store noted last, or None for a store that never noted a time."""
    wall_ms, boot_ms = clocks.wall(), clocks.boot()
    if noted is None:
        return StoreClock(clocks, max(wall_ms, 0) - boot_ms)
    passed_ms = min(max(wall_ms - noted.wall_ms, 0), keep_ms // MOST_OF_KEEP)
    return StoreClock(clocks, noted.store_ms + passed_ms - boot_ms)


def resume_clock(clocks: Clocks, noted: NotedTime | None, anchor_ms: int) -> StoreClock | None:
    """Return the clock with the anchor of this boot. None if it would go back: the system names no boots, and the machine was started again."""
    clock = StoreClock(clocks, anchor_ms)
    return None if noted is not None and clock.now_ms() < noted.store_ms else clock
