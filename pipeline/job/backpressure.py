"""The paused partitions: too much is unfinished, or a record cannot be decoded yet. Polling goes on, because it sends heartbeats."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.contracts.interfaces import Source
from pipeline.contracts.values import Partition
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.offsets import Offsets, PartitionOffsets


class Backpressure:
    """Bounds the memory of records in flight. A newly assigned partition is not paused."""

    def __init__(self, source: Source, offsets: Offsets, limits: FlowLimits) -> None:
        self._source = source
        self._offsets = offsets
        self._limits = limits
        self._paused: set[Partition] = set()
        self._held: dict[Partition, tuple[int, str]] = {}  # the end of the pause in ms, and its reason

    def pause_until(self, partition: Partition, until_ms: int, reason: str) -> None:
        """Pause a partition whose next record cannot be decoded before `until_ms`."""
        self._source.pause([partition])
        self._paused.add(partition)
        self._held[partition] = (until_ms, reason)

    @property
    def reason(self) -> str:
        """Why a record cannot be decoded yet, or an empty text."""
        return next((reason for _, reason in self._held.values()), "")

    @property
    def all_paused(self) -> bool:
        """Whether no partition can return records."""
        return len(self._paused) == len(self._offsets.owned)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that were revoked or assigned again."""
        for each in partitions:
            self._paused.discard(each)
            self._held.pop(each, None)

    def adjust(self, ready: int, now_ms: int, *, stops_reading: bool) -> None:
        """Pause partitions with too many records in flight, and resume partitions with few. `ready` batches wait for a sender."""
        limits, owned, unfinished_bytes = self._limits, self._offsets.owned, self._offsets.unfinished_bytes
        is_full = stops_reading or unfinished_bytes > limits.in_flight_bytes or ready > limits.ready_batches
        has_room = (
            not stops_reading and unfinished_bytes <= limits.in_flight_bytes // 2 and ready <= limits.ready_batches // 4
        )
        pause = [
            partition
            for partition, offsets in owned.items()
            if partition not in self._paused and (is_full or offsets.uncommittable > limits.unfinished_records)
        ]
        if self._held:
            self._held = {partition: why for partition, why in self._held.items() if why[0] > now_ms}
        resume = [
            partition
            for partition in self._paused
            if has_room and partition not in self._held and self._has_room(owned[partition])
        ]
        if pause:
            self._source.pause(pause)
            self._paused.update(pause)
        if resume:
            self._source.resume(resume)
            self._paused.difference_update(resume)

    def _has_room(self, offsets: PartitionOffsets) -> bool:
        """Whether few records are in flight, and not too many lie behind the lowest of them.

        A message that is held until others are accepted must not keep the others from being read.
        """
        most = self._limits.unfinished_records
        return offsets.in_flight <= most // 2 and offsets.uncommittable <= most
