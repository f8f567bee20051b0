"""The age of the oldest head: how long the lowest unfinished offset of a partition has been the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.contracts.values import Partition
from pipeline.job.partition_offsets import PartitionOffsets


class Head(NamedTuple):
    """The lowest unfinished offset of a partition, and since when it has been the same, in ms of the clock of `look`."""

    partition: Partition
    offset: int
    since_ms: int


class HeadWatch:
    """Looks at the heads now and then. A head that never moves holds back the commits of its partition, and at last its reading."""

    def __init__(self) -> None:
        self._since: dict[
            Partition, tuple[PartitionOffsets, int, int]
        ] = {}  # the epoch, its head, and the time of the first look at it
        self.oldest: Head | None = None
        """The oldest head at the latest look."""
        self.age_ms = 0
        """The age of the oldest head at the latest look."""

    def look(self, owned: Iterable[PartitionOffsets], now_ms: int) -> None:
        """Look at the heads of the partitions that this process owns."""
        since = {}
        for offsets in owned:
            if (head := offsets.head) is not None:
                before = self._since.get(offsets.partition)
                is_same = before is not None and before[0] is offsets and before[1] == head
                since[offsets.partition] = before if before is not None and is_same else (offsets, head, now_ms)
        self._since = since
        heads = [Head(partition, head, begun_ms) for partition, (_, head, begun_ms) in since.items()]
        self.oldest = min(heads, key=lambda each: each.since_ms, default=None)
        self.age_ms = 0 if self.oldest is None else now_ms - self.oldest.since_ms
