"""The unfinished offsets of one partition. It may be committed up to the lowest of them, never past it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from pipeline.contracts.message_order import place_number
from pipeline.contracts.values import Commit, Partition
from pipeline.job.books import FILTERED, Books, RecordResult, decode_books, decode_store_id, encode_books
from pipeline.job.session_counts import SessionCounts
from pipeline.job.unfinished_times import UnfinishedTimes
from schemas.log import Record


class PartitionOffsets:
    """One partition's unfinished offsets and its books, while this process owns it without a break.

    The object is the epoch. When the partition is revoked, it is closed for good, and a record that still refers to it moves no offset.
    A partition that is assigned again gets a new object.
    """

    __slots__ = (
        "_ended",
        "_is_named",
        "_lifetime",
        "_lifetime_lost",
        "_noted",
        "_session",
        "_store_id",
        "_unfinished",
        "_was_remembered",
        "closed",
        "committed",
        "message_results",
        "partition",
        "place",
        "position",
        "times",
        "unfinished_bytes",
        "until",
    )

    def __init__(
        self,
        partition: Partition,
        start: Commit,
        topic_id: str = "",
        store_id: str = "",
        session: SessionCounts | None = None,
    ) -> None:
        """`store_id` is the identity of the dedup store that remembers the work of this epoch. The commits name it."""
        self.partition = partition
        self.place = place_number(partition, topic_id)
        self.closed = False
        self.position = start.offset
        self.committed = start.offset
        self.unfinished_bytes = 0  # the weight of its records in flight, against `limits.in_flight`
        self.times = UnfinishedTimes()
        self._unfinished: deque[int] = deque()  # ascending; an offset is removed when all offsets before it have ended
        self._ended: dict[int, RecordResult] = {}  # ended, but behind an unfinished one
        self._session = session or SessionCounts()
        self.message_results = self._session.tally.messages
        """How many messages of this partition ended in which way. A message counts also after the epoch has ended."""
        # What lies below the commit, of all owners.
        self._lifetime, self._lifetime_lost, self.until = decode_books(start.metadata)
        self._noted = start.metadata  # of the last commit
        self._store_id = store_id
        named = decode_store_id(start.metadata)
        self._is_named = named == store_id  # by the last commit
        self._was_remembered = bool(named or self._lifetime.remembered)

    def begin(self, records: Sequence[Record]) -> None:
        """Note records that were just read, in ascending order of offset."""
        offsets = [record.offset for record in records]
        self.times.begin(offsets, [record.timestamp for record in records], self.head)
        self._unfinished.extend(offsets)
        self._session.read += len(records)
        if records:
            self.position = records[-1].offset + 1  # an error may end the job before it notes the source's position

    def unread(self, records: Sequence[Record]) -> None:
        """Note that the latest records are read again later. They do not count as read until then."""
        for _ in records:
            self._unfinished.pop()
        self._session.read -= len(records)
        self.position = records[0].offset
        self.times.unread(self.position)

    def end(self, offset: int, result: RecordResult) -> None:
        """Note that a record is finished, and its messages were counted in `message_results`. Each offset ends once."""
        self._session.tally.outcomes[result.outcome] += 1
        unfinished = self._unfinished
        if unfinished[0] != offset:
            self._ended[offset] = result
            return
        unfinished.popleft()
        self._lifetime.add(result)
        if self._ended:
            self._pass_ended()

    def end_all(self, offsets: Iterable[int], result: RecordResult) -> None:
        """Note that records are finished in the same way; see `end`."""
        ended = dict.fromkeys(offsets, result)
        self._session.tally.outcomes[result.outcome] += len(ended)
        self._ended.update(ended)
        self._pass_ended()

    def _pass_ended(self) -> None:
        """Move the head past the records that have ended. Those that ended in the same way are counted together."""
        unfinished, ended = self._unfinished, self._ended
        last, count = FILTERED, 0
        while ended and unfinished and (result := ended.pop(unfinished[0], None)) is not None:
            unfinished.popleft()
            if result is not last:
                self._lifetime.add(last, count)
                last, count = result, 0
            count += 1
        self._lifetime.add(last, count)

    def lose(self, first: int, last: int, resumed_at: int) -> None:
        """Note that the offsets `first` to `last` are gone before they were read; see `LostToRetention`."""
        count = max(0, last - first + 1)
        self._session.lost += count
        self._lifetime_lost += count
        self.position = max(self.position, resumed_at)
        if count and resumed_at == first and last + 1 == self.until:
            self.until = first
            self.committed = min(self.committed, first - 1)  # so the next commit is due: it tells the new end

    @property
    def in_flight(self) -> int:
        """Records read and not finished."""
        return len(self._unfinished) - len(self._ended)

    @property
    def uncommittable(self) -> int:
        """Records from the lowest unfinished one on, finished or not: they are read again after a crash."""
        return len(self._unfinished)

    @property
    def head(self) -> int | None:
        """The lowest unfinished offset."""
        return self._unfinished[0] if self._unfinished else None

    def committable(self) -> Commit:
        """The offset up to which everything is finished, with the lifetime books up to there."""
        offset = self._unfinished[0] if self._unfinished else self.position
        store_id = self._store_id if self._is_remembered else ""
        return Commit(offset, encode_books(self._lifetime, self._lifetime_lost, self.until, store_id))

    def is_dirty(self) -> bool:
        """Return whether more may be committed than was committed, or the last commit must name the store and does not: it is made once more."""
        offset = self._unfinished[0] if self._unfinished else self.position
        return offset > self.committed or (offset == self.committed and not self._is_named and self._is_remembered)

    def note_committed(self, commit: Commit) -> None:
        """Note that the brokers took a commit."""
        self.committed, self._noted = max(self.committed, commit.offset), commit.metadata
        self._is_named = self._is_named or decode_store_id(commit.metadata) == self._store_id

    @property
    def _is_remembered(self) -> bool:
        """Whether a dedup store remembers something of the partition, below the head or behind it: another store must not take its place unnoticed."""
        return self._was_remembered or self._session.is_remembered

    def close(self) -> None:
        """End the epoch. Its unfinished records are returned: the next owner of the partition reads them again."""
        self.closed = True
        self._session.returned += self.in_flight

    def session_books(self) -> Books:
        """Return the books of this partition in this process."""
        return self._session.books(0 if self.closed else self.in_flight)

    def committed_books(self) -> Books:
        """Return the books of all processes of the group, as the last commit has them."""
        tally, lost, _ = decode_books(self._noted)
        return Books.of(tally, lost=lost)
