"""The fixed ranges of partitions that a replay reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.contracts.values import Partition
from schemas.log import Record


class FixedRanges:
    """Partition to [from, to), and which of them were read to their end."""

    def __init__(self, bounds: Mapping[Partition, tuple[int, int]]) -> None:
        """Begin with nothing read."""
        self.bounds = dict(bounds)
        self._finished: set[Partition] = set()

    @property
    def finished(self) -> frozenset[Partition]:
        """The partitions whose range was read to its end."""
        return frozenset(self._finished)

    @property
    def is_read(self) -> bool:
        """Whether every range was read to its end."""
        return self._finished >= set(self.bounds)

    def cut(self, records: Mapping[Partition, Sequence[Record]]) -> dict[Partition, Sequence[Record]]:
        """Return the records within their partition's range."""
        return {
            partition: kept
            for partition, batch in records.items()
            if (
                kept := batch
                if batch[-1].offset < self.bounds[partition][1]
                else [each for each in batch if each.offset < self.bounds[partition][1]]
            )
        }

    def reach(self, partition: Partition, position: int) -> int:
        """Take note of how far a partition was read, and return that, but no more than its range's end."""
        until = self.bounds[partition][1]
        if position < until:
            return position
        self._finished.add(partition)
        return until

    def reopen(self, partition: Partition) -> bool:
        """Take note that a partition is read from an earlier offset again, and say whether it was at its end."""
        was_finished = partition in self._finished
        self._finished.discard(partition)
        return was_finished

    def lag(self, partition: Partition, position: int | None) -> int:
        """Return how many offsets are left to read. No position: reading has not begun."""
        start, until = self.bounds[partition]
        return max(0, until - (position if position is not None else start))
