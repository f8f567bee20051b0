"""The unfinished offsets and the books of all partitions that a process owns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from pipeline.contracts.values import Commit, Partition
from pipeline.job.books import Books
from pipeline.job.group_store import GroupStore
from pipeline.job.partition_offsets import PartitionOffsets
from pipeline.job.session_counts import SessionCounts


class Offsets:
    """All partitions that this process owns, and the books of the partitions that it owned before."""

    def __init__(self, group_store: GroupStore, stale_bytes: Callable[[], int] = int) -> None:
        self.owned: dict[Partition, PartitionOffsets] = {}
        self._group_store, self._stale_bytes = group_store, stale_bytes
        self._sessions: dict[Partition, SessionCounts] = {}

    def assign(self, start: Mapping[Partition, Commit], topic_ids: Mapping[str, str] = MappingProxyType({})) -> None:
        """Begin to own partitions. A partition that is owned already gets a new epoch. `topic_ids` are the broker's IDs by topic.

        Raises:
            StoreUnavailable: the group finished records of them with another dedup store. Then none of them is owned.
        """
        self.revoke(start)
        self._group_store.check_assigned(start)
        for partition, commit in start.items():
            session = self._sessions.setdefault(partition, SessionCounts())
            topic_id = topic_ids.get(partition.topic, "")
            self.owned[partition] = PartitionOffsets(partition, commit, topic_id, self._group_store.store.id, session)

    def revoke(self, partitions: Collection[Partition]) -> list[PartitionOffsets]:
        """End the epoch of partitions, and return the ones that were owned."""
        revoked = [self.owned.pop(partition) for partition in partitions if partition in self.owned]
        for offsets in revoked:
            offsets.close()
        return revoked

    def lose(self, partition: Partition, first: int, last: int, resumed_at: int) -> None:
        """Note that the offsets `first` to `last` of a partition are lost, and that reading goes on at `resumed_at`."""
        if (offsets := self.owned.get(partition)) is not None:
            offsets.lose(first, last, resumed_at)

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Note the positions of the source, which pass gaps too."""
        for partition, position in positions.items():
            if (offsets := self.owned.get(partition)) is not None:
                offsets.position = position

    def committable(self) -> dict[Partition, Commit]:
        """Return the commits of the partitions of which more may be committed than was committed, or whose commit must name the store."""
        return {partition: offsets.committable() for partition, offsets in self.owned.items() if offsets.is_dirty()}

    def committed(self, commits: Mapping[Partition, Commit]) -> None:
        """Note that the brokers took these commits."""
        for partition, commit in commits.items():
            if (offsets := self.owned.get(partition)) is not None:
                offsets.note_committed(commit)

    @property
    def in_flight(self) -> int:
        """Records read and not finished, in all partitions owned."""
        return sum(offsets.in_flight for offsets in self.owned.values())

    @property
    def unfinished_bytes(self) -> int:
        """The weight of the records in flight, in bytes, in all partitions owned, and of what is still held of earlier epochs (`stale_bytes`)."""
        return sum(offsets.unfinished_bytes for offsets in self.owned.values()) + self._stale_bytes()

    def check(self) -> None:
        """Raise `BooksUnbalanced` unless the books of every partition balance."""
        for books in self.books().values():
            books.check()

    def books(self) -> dict[Partition, Books]:
        """Return the books of this process by partition, also of partitions owned before."""
        owned = self.owned
        return {
            partition: session.books(owned[partition].in_flight if partition in owned else 0)
            for partition, session in self._sessions.items()
        }

    def oldest_ms(self) -> dict[Partition, int]:
        """Return Kafka's time of the oldest unfinished record, in Unix ms, by partition owned now. One without a known time is left out."""
        found = {partition: offsets.times.oldest_ms(offsets.head) for partition, offsets in self.owned.items()}
        return {partition: time_ms for partition, time_ms in found.items() if time_ms is not None}

    def committed_books(self) -> dict[Partition, Books]:
        """Return the books of the group, as committed, by partition owned now."""
        return {partition: offsets.committed_books() for partition, offsets in self.owned.items()}
