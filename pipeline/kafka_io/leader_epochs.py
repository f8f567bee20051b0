"""The leader epochs of what was read: by them a broker tells whether a later leader still has the same records (KIP-320)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from pipeline.contracts.values import Partition

UNKNOWN = -1
"""Kafka's number for an epoch that nobody knows. A position with it cannot be checked."""


class _Changes:
    """The changes of the leader epoch in one partition: `epochs[n]` is the epoch of the records from `offsets[n]` on."""

    __slots__ = ("epochs", "next_offset", "offsets")

    def __init__(self, offset: int, epoch: int) -> None:
        self.offsets = [offset - 1]
        self.epochs = [epoch]
        self.next_offset = offset  # behind what was noted


class LeaderEpochs:
    """The leader epochs of each partition, from the offset on from which it is read."""

    def __init__(self) -> None:
        """Begin with no partition."""
        self._partitions: dict[Partition, _Changes] = {}

    def begin(self, partition: Partition, offset: int, epoch: int) -> None:
        """Begin anew with a partition that is read from `offset` on. `epoch` is that of the record before it, or `UNKNOWN`."""
        self._partitions[partition] = _Changes(offset, epoch)

    def note(self, partition: Partition, records: Sequence[Any], position: int, epoch: int) -> None:
        """Note the records of one poll, and the position behind them with its leader epoch. Epochs never fall from one record to the next.

        A gap between two records, such as a marker of a transaction, counts to the later epoch: a broker that has the record behind a gap has the
        gap, too. To count it to the earlier one would look like a truncation.
        """
        changes = self._partitions.get(partition)
        if changes is None:
            return
        if epoch > changes.epochs[-1]:
            at = min(changes.next_offset, records[0].offset if records else position)
            for record in records:
                if record.leader_epoch > changes.epochs[-1]:
                    changes.offsets.append(at)
                    changes.epochs.append(record.leader_epoch)
                at = record.offset + 1
            if epoch > changes.epochs[-1]:
                changes.offsets.append(at)
                changes.epochs.append(epoch)
        changes.next_offset = position

    def before(self, partition: Partition, offset: int) -> int:
        """Return the epoch of the last record before an offset that was read, or `UNKNOWN`."""
        changes = self._partitions.get(partition)
        place = bisect_left(changes.offsets, offset) if changes is not None else 0
        return changes.epochs[place - 1] if changes is not None and place else UNKNOWN

    def forget_before(self, partition: Partition, offset: int) -> None:
        """Forget what only lower offsets need: nothing behind a commit is sought any more."""
        changes = self._partitions.get(partition)
        if changes is not None and (place := bisect_left(changes.offsets, offset)) > 1:
            del changes.offsets[: place - 1], changes.epochs[: place - 1]
