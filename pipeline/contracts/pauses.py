"""The partitions that are not read for now, each with its reasons. A source has one `Pauses`, and nothing else knows which partition is paused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pipeline.contracts.values import Partition


class PauseReason(StrEnum):
    """Why a partition is not read for now, as progress says it. A partition may have several reasons."""

    UNFINISHED = "limits.unfinished is reached"
    IN_FLIGHT = "limits.in_flight is reached"
    DEAD_LETTERS = "dead letters wait for their topic"
    SENDERS = "batches wait for a sender"
    UNDECODABLE = "a record cannot be decoded yet"
    ENDING = "the job ends"
    RANGE_READ = "the range is read to its end"
    TRUNCATED = "the log was truncated"
    LEAVING = "another member gets it"


class Pauses:
    """The reasons for which partitions are paused. A partition is read again when its last reason has ended.

    The job and the source add and end reasons. The source alone carries them out: before each poll it brings the Kafka client to what is noted
    here. So neither a seek nor a new client forgets a pause. A partition that is gained or lost begins without a reason.
    """

    def __init__(self) -> None:
        """Begin with nothing paused."""
        self._by_reason: dict[PauseReason, set[Partition]] = {reason: set() for reason in PauseReason}

    def add(self, reason: PauseReason, partitions: Iterable[Partition]) -> None:
        """Pause partitions for a reason, whatever other reasons they have."""
        self._by_reason[reason].update(partitions)

    def end(self, reason: PauseReason, partitions: Iterable[Partition]) -> None:
        """End a reason of partitions. They stay paused for their other reasons."""
        self._by_reason[reason].difference_update(partitions)

    def replace(self, reason: PauseReason, partitions: Iterable[Partition]) -> None:
        """Let a reason hold for these partitions, and for no other."""
        self._by_reason[reason] = set(partitions)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """End all reasons of partitions that are gained or lost. Only the source calls this."""
        gone = set(partitions)
        for paused in self._by_reason.values():
            paused.difference_update(gone)

    def because(self, reason: PauseReason) -> frozenset[Partition]:
        """Return the partitions that are paused for a reason."""
        return frozenset(self._by_reason[reason])

    def reasons(self, partition: Partition) -> frozenset[PauseReason]:
        """Return the reasons of one partition; none if it is read."""
        return frozenset(reason for reason, paused in self._by_reason.items() if partition in paused)

    def paused(self) -> set[Partition]:
        """Return the partitions that have a reason."""
        return set().union(*self._by_reason.values())

    def counts(self) -> Mapping[PauseReason, int]:
        """Return the number of partitions by reason, without the reasons that no partition has."""
        return {reason: len(paused) for reason, paused in self._by_reason.items() if paused}
