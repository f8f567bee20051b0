"""Partitions that the group gives to another member: what is in flight is finished and committed first, so that nothing is read twice."""

from __future__ import annotations

from collections.abc import Callable, Collection

from pipeline.contracts.interfaces import Source
from pipeline.contracts.values import Partition
from pipeline.job.commits import Commits
from pipeline.job.offsets import Offsets
from pipeline.job.timing import Interval

LOOK_EVERY_MS = 50
"""The time between two looks at partitions that are handed over. Each release is a round of the whole group, so some are released together."""


class HandOver:
    """Releases each partition when its records in flight have ended, or when its time is over."""

    def __init__(
        self,
        source: Source,
        offsets: Offsets,
        commits: Commits,
        end_epochs: Callable[[Collection[Partition]], None],
        limit_ms: int,
    ) -> None:
        """A partition is released after `limit_ms` although its records are in flight. `end_epochs` makes the job forget what it has of released partitions."""
        self._source = source
        self._offsets = offsets
        self._commits = commits
        self._end_epochs = end_epochs
        self._limit_ms = limit_ms
        self._until_ms: dict[Partition, int] = {}
        self._look = Interval(LOOK_EVERY_MS)

    def begin(self, partitions: Collection[Partition], now_ms: int) -> None:
        """Begin to hand over partitions. Nothing more is read of them."""
        self._until_ms |= dict.fromkeys(partitions, now_ms + self._limit_ms)

    def forget(self, partitions: Collection[Partition]) -> None:
        """Forget partitions that were assigned again, or revoked."""
        for each in partitions:
            self._until_ms.pop(each, None)

    def release_finished(self, now_ms: int) -> None:
        """Commit and release the partitions that are finished, or whose time is over.

        Raises:
            StoreUnavailable, SourceUnavailable: see `Commits.commit`.
        """
        if not self._until_ms or not self._look.is_due(now_ms):
            return
        released = {
            each for each, until_ms in self._until_ms.items() if now_ms >= until_ms or not self._is_in_flight(each)
        }
        if (
            released and self._commits.commit()
        ):  # while the group cannot take a commit, it cannot give a partition to another member either
            self._end_epochs(released)
            self._source.release(released)

    def _is_in_flight(self, partition: Partition) -> bool:
        offsets = self._offsets.owned.get(partition)
        return offsets is not None and offsets.in_flight > 0
