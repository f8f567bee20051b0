"""Back-pressure: partitions are paused while too much is in flight, or while a record cannot be decoded. Polling goes on, because it sends heartbeats."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.contracts.pauses import PauseReason, Pauses
from pipeline.contracts.values import Partition
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.offsets import Offsets
from pipeline.job.partition_offsets import PartitionOffsets


class Backpressure:
    """Bounds the memory of records in flight. What is paused, and why, is in `Pauses` alone; here are the rules."""

    def __init__(self, pauses: Pauses, offsets: Offsets, limits: FlowLimits) -> None:
        self._pauses = pauses
        self._offsets = offsets
        self._limits = limits
        self._is_full = False  # what is in flight takes too much memory
        self._is_behind = False  # too many batches wait for a sender
        self._undecodable: dict[Partition, tuple[int, str]] = {}  # the end of the pause in ms, and what is waited for

    def pause_until(self, partition: Partition, until_ms: int, waits_for: str) -> None:
        """Pause a partition whose next record cannot be decoded before `until_ms`."""
        self._undecodable[partition] = (until_ms, waits_for)
        self._pauses.add(PauseReason.UNDECODABLE, [partition])

    @property
    def waits_for(self) -> str:
        """What a record waits for that cannot be decoded yet, or an empty text."""
        return next((waits_for for _, waits_for in self._undecodable.values()), "")

    @property
    def all_paused(self) -> bool:
        """Whether no partition can return records."""
        return self._pauses.paused() >= self._offsets.owned.keys()

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that were revoked or assigned again. The source forgets their pauses."""
        for each in partitions:
            self._undecodable.pop(each, None)

    def adjust(self, ready: int, dead_letters: int, now_ms: int, *, stops_reading: bool) -> None:
        """Begin and end pauses by what is in flight. Each reading goes on when half of its limit is free again, of batches three quarters.

        `ready` batches wait for a sender, and `dead_letters` for the dead-letter topic. With `stops_reading` nothing more is read.
        """
        limits, owned, pauses = self._limits, self._offsets.owned, self._pauses
        self._is_full = self._offsets.unfinished_bytes > limits.in_flight_bytes // (2 if self._is_full else 1)
        self._is_behind = ready > limits.ready_batches // (4 if self._is_behind else 1)
        is_for_dead_letters = self._is_full and dead_letters > self._offsets.in_flight // 2
        self._undecodable = {each: why for each, why in self._undecodable.items() if why[0] > now_ms}
        unfinished = pauses.because(PauseReason.UNFINISHED)
        pauses.replace(
            PauseReason.UNFINISHED,
            [each for each, offsets in owned.items() if self._has_too_many(offsets, is_paused=each in unfinished)],
        )
        pauses.replace(PauseReason.IN_FLIGHT, owned if self._is_full else ())
        pauses.replace(PauseReason.DEAD_LETTERS, owned if is_for_dead_letters else ())
        pauses.replace(PauseReason.SENDERS, owned if self._is_behind else ())
        pauses.replace(PauseReason.UNDECODABLE, self._undecodable)
        pauses.replace(PauseReason.ENDING, owned if stops_reading else ())

    def _has_too_many(self, offsets: PartitionOffsets, *, is_paused: bool) -> bool:
        """Whether too many records lie at and behind the lowest one in flight. A pause for it ends when few records are in flight, too.

        A message that is held until others are accepted must not keep the others from being read.
        """
        most = self._limits.unfinished_records
        return offsets.uncommittable > most or (is_paused and offsets.in_flight > most // 2)
