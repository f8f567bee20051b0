"""Which offsets are unfinished, and so how far a partition may be committed: up to the lowest of them, never past it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from pipeline.contracts.values import Commit, Partition
from pipeline.job.books import Books, RecordResult, decode_books, encode_books
from schemas.log import Record


class PartitionOffsets:
    """One partition's unfinished offsets and its books, for as long as this process owns it without a break.

    The object itself is the epoch: when the partition is revoked it is closed for good, and what still refers to it moves nothing. If
    the partition comes back it gets a new one.
    """

    __slots__ = (
        "_ended",
        "_inherited",
        "_lifetime",
        "_lifetime_lost",
        "_session_lost",
        "_unfinished",
        "closed",
        "committed",
        "partition",
        "position",
        "read",
        "unfinished_bytes",
        "until",
    )

    def __init__(self, partition: Partition, start: Commit) -> None:
        self.partition = partition
        self.closed = False
        self.position = start.offset
        self.committed = start.offset
        self.read = 0
        self.unfinished_bytes = 0  # what its records in flight count for against `limits.in_flight`
        self._unfinished: deque[int] = deque()  # ascending; an offset leaves when all before it have ended
        self._ended: dict[int, RecordResult] = {}  # ended, but behind an unfinished one
        self._session_lost = 0
        self._lifetime, self._lifetime_lost, self.until = decode_books(start.metadata)
        self._inherited = dict(self._lifetime)  # what others had done before

    def begin(self, records: Sequence[Record]) -> None:
        """Take note of records just read, in ascending order of offset."""
        self._unfinished.extend([record.offset for record in records])
        self.read += len(records)

    def put_back(self, records: Sequence[Record]) -> None:
        """Take note that records just begun, the latest ones, are to be read again: they count as not read."""
        for _ in records:
            self._unfinished.pop()
        self.read -= len(records)
        self.position = records[0].offset

    def end(self, offset: int, ending: RecordResult) -> None:
        """Take note that a record is finished. Each offset ends once."""
        unfinished = self._unfinished
        if unfinished[0] != offset:
            self._ended[offset] = ending
            return
        unfinished.popleft()
        lifetime, ended = self._lifetime, self._ended
        lifetime[ending] = lifetime.get(ending, 0) + 1
        while ended and unfinished and (following := ended.pop(unfinished[0], None)) is not None:
            unfinished.popleft()
            lifetime[following] = lifetime.get(following, 0) + 1

    def lose(self, count: int, resumed_at: int) -> None:
        """Take note of offsets that retention removed before they were read."""
        self._session_lost += count
        self._lifetime_lost += count
        self.position = max(self.position, resumed_at)

    @property
    def in_flight(self) -> int:
        """Records read and not finished."""
        return len(self._unfinished) - len(self._ended)

    def committable(self) -> Commit:
        """The offset up to which everything is finished, with the lifetime books up to there."""
        offset = self._unfinished[0] if self._unfinished else self.position
        return Commit(offset, encode_books(self._lifetime, self._lifetime_lost, self.until))

    def is_dirty(self) -> bool:
        """Whether there is more to commit than was committed."""
        return (self._unfinished[0] if self._unfinished else self.position) > self.committed

    def session_books(self) -> Books:
        """What this process did with the partition. Records handed back unfinished when it was revoked count as not read."""
        in_flight = 0 if self.closed else self.in_flight
        read = self.read - self.in_flight if self.closed else self.read
        tally = Counter(self._ended.values()) + (Counter(self._lifetime) - Counter(self._inherited))
        return Books.of(tally, read=read, in_flight=in_flight, lost=self._session_lost)

    def lifetime_books(self) -> Books:
        """What all processes of the group did below the offset that may be committed."""
        return Books.of(self._lifetime, lost=self._lifetime_lost)


class Offsets:
    """All partitions this process owns, and the books of those it owned before."""

    def __init__(self) -> None:
        self.owned: dict[Partition, PartitionOffsets] = {}
        self._former: dict[Partition, Books] = {}

    def assign(self, start: Mapping[Partition, Commit]) -> None:
        """Begin to own partitions. One that is already owned begins anew: its old epoch ends."""
        self.revoke(start)
        for partition, commit in start.items():
            self.owned[partition] = PartitionOffsets(partition, commit)

    def revoke(self, partitions: Mapping[Partition, object] | frozenset[Partition]) -> list[PartitionOffsets]:
        """End the epoch of partitions and return those that were owned."""
        revoked = [self.owned.pop(partition) for partition in partitions if partition in self.owned]
        for offsets in revoked:
            offsets.closed = True
            former = self._former.get(offsets.partition, Books())
            self._former[offsets.partition] = Books.total([former, offsets.session_books()])
        return revoked

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Take note of how far the source has read, gaps included."""
        for partition, position in positions.items():
            if (offsets := self.owned.get(partition)) is not None:
                offsets.position = position

    def committable(self) -> dict[Partition, Commit]:
        """What may be committed now, for the partitions where that is more than was committed."""
        return {partition: offsets.committable() for partition, offsets in self.owned.items() if offsets.is_dirty()}

    def committed(self, commits: Mapping[Partition, Commit]) -> None:
        """Take note that the brokers took these commits."""
        for partition, commit in commits.items():
            if (offsets := self.owned.get(partition)) is not None:
                offsets.committed = max(offsets.committed, commit.offset)

    @property
    def in_flight(self) -> int:
        """Records read and not finished, in all partitions owned."""
        return sum(offsets.in_flight for offsets in self.owned.values())

    @property
    def unfinished_bytes(self) -> int:
        """What the records in flight count for, in all partitions owned."""
        return sum(offsets.unfinished_bytes for offsets in self.owned.values())

    def books(self) -> dict[Partition, Books]:
        """This process's books per partition, current and former."""
        books = dict(self._former)
        for partition, offsets in self.owned.items():
            books[partition] = Books.total([books.get(partition, Books()), offsets.session_books()])
        return books

    def lifetime_books(self) -> dict[Partition, Books]:
        """The group's books per partition owned now."""
        return {partition: offsets.lifetime_books() for partition, offsets in self.owned.items()}
