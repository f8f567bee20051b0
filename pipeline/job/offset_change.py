"""What a change of committed offsets does: which offsets are read again, and which are passed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.contracts.values import Commit, Partition


class OffsetChange(NamedTuple):
    """A change of one partition. `start` is where the job would go on without it: the commit, or the oldest offset where nothing is committed."""

    partition: Partition
    committed: int | None
    start: int
    to: int

    @property
    def read_again(self) -> int:
        """The number of offsets that are finished and will be read again."""
        return max(0, self.start - self.to) if self.committed is not None else 0

    @property
    def passed_over(self) -> int:
        """The number of offsets that are not finished and will never be read."""
        return max(0, self.to - self.start)


def offset_changes(
    asked: Mapping[Partition, int],
    commits: Mapping[Partition, Commit],
    oldest: Mapping[Partition, int],
    ends: Mapping[Partition, int],
) -> Sequence[OffsetChange]:
    """Return the changes, sorted. An offset that the partition does not have becomes the nearest one that it has."""
    changes = []
    for partition, offset in sorted(asked.items()):
        committed = commits[partition].offset if partition in commits else None
        start = oldest[partition] if committed is None else max(committed, oldest[partition])
        changes.append(OffsetChange(partition, committed, start, min(max(offset, oldest[partition]), ends[partition])))
    return changes
