"""The fixed ranges of partitions that a replay reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.contracts.values import Partition
from schemas.log import Record


class FixedRanges:
    """The ranges [from, to) by partition, and the partitions whose range was read to its end."""

    def __init__(self, bounds: Mapping[Partition, tuple[int, int]]) -> None:
        """Begin with no range read."""
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

    def within(self, records: Mapping[Partition, Sequence[Record]]) -> dict[Partition, Sequence[Record]]:
        """Return the records within the range of their partition."""
        return {
            partition: kept
            for partition, batch in records.items()
            if (
                kept := batch
                if batch[-1].offset < self.bounds[partition][1]
                else [each for each in batch if each.offset < self.bounds[partition][1]]
            )
        }

    def note_position(self, partition: Partition, position: int) -> int:
        """Note the position of a partition, and return it, or the end of its range if that is lower."""
        until = self.bounds[partition][1]
        if position < until:
            return position
        self._finished.add(partition)
        return until

    def reopen(self, partition: Partition) -> bool:
        """Note that a partition is read from an earlier offset, and return whether it was at the end of its range."""
        was_finished = partition in self._finished
        self._finished.discard(partition)
        return was_finished

    def lag(self, partition: Partition, position: int | None) -> int:
        """Return the number of offsets left to read. Without a position the whole range is left."""
        start, until = self.bounds[partition]
        return max(0, until - (position if position is not None else start))
