"""The fixed ranges of partitions that a replay reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pipeline.contracts.values import Commit, Partition
from schemas.log import Record


class FixedRanges:
    """The ranges [from, to) by partition.

    `first_commits` are made before the first record of their partition is read. They hold the start of the range, and its end in the metadata.
    """

    def __init__(
        self,
        bounds: Mapping[Partition, tuple[int, int]],
        first_commits: Mapping[Partition, Commit] = MappingProxyType({}),
    ) -> None:
        self.bounds = dict(bounds)
        self.first_commits = first_commits

    def cut(self, partition: Partition, until: int) -> None:
        """End the range of a partition earlier: its log has nothing from `until` on any more."""
        self.bounds[partition] = (self.bounds[partition][0], until)

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

    def read_to_end(self, positions: Mapping[Partition, int]) -> set[Partition]:
        """Return the partitions whose position is at the end of their range, or behind it."""
        return {partition for partition, position in positions.items() if position >= self.bounds[partition][1]}

    def clamp(self, partition: Partition, position: int) -> int:
        """Return the position of a partition, or the end of its range if that is lower."""
        return min(position, self.bounds[partition][1])

    def lag(self, partition: Partition, position: int | None) -> int:
        """Return the number of offsets left to read. Without a position the whole range is left."""
        start, until = self.bounds[partition]
        return max(0, until - (position if position is not None else start))
