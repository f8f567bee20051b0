"""Kafka's times of the records of one partition that are read and not finished."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence


class UnfinishedTimes:
    """Knows the Kafka time of each unfinished record, in 16 bytes a record.

    The records of one `begin` stay until all of them are finished. Times are Unix ms, below 0 in a topic that has none.
    """

    __slots__ = ("_newest", "_polls")

    def __init__(self) -> None:
        self._polls: deque[tuple[array[int], array[int]]] = deque()  # offsets and times
        self._newest = -1

    def begin(self, offsets: Sequence[int], times_ms: Sequence[int | None], head: int | None) -> None:
        """Note records that were just read, in ascending order of offset. `head` is the lowest unfinished offset.

        kafka-python has None as the time of a record of the oldest format.
        """
        if offsets:
            self._forget_before(head)
            times = known_times(times_ms)
            self._polls.append((array("q", offsets), times))
            self._newest = times[-1]

    def unread(self, offset: int) -> None:
        """Note that the records from `offset` on are read again later. They are among those of the last `begin`."""
        offsets, times_ms = self._polls.pop()
        kept = bisect_left(offsets, offset)
        if kept:
            self._polls.append((offsets[:kept], times_ms[:kept]))

    def oldest_ms(self, head: int | None) -> int | None:
        """Return the time of the record `head`, the lowest unfinished one. Without one it is the time of the last record read.

        The next record is as a rule not older. None where no time is known.
        """
        self._forget_before(head)
        if head is None or not self._polls:
            found = self._newest
        else:
            offsets, times_ms = self._polls[0]
            found = times_ms[bisect_left(offsets, head)]
        return found if found >= 0 else None

    def _forget_before(self, head: int | None) -> None:
        polls = self._polls
        while polls and (head is None or polls[0][0][-1] < head):
            polls.popleft()


def known_times(times_ms: Sequence[int | None]) -> array[int]:
    """Return the times with -1 where there is none."""
    try:
        return array("q", times_ms)  # type: ignore[arg-type]  # as nearly always, none is None
    except TypeError:
        return array("q", [-1 if time_ms is None else time_ms for time_ms in times_ms])
