"""The dead letters on their way: each origin is claimed in the dedup store, written, and confirmed when it is durable. So it is written once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b

from pipeline.contracts.interfaces import DeadLetters, DedupStore
from pipeline.contracts.message_order import record_origin
from pipeline.contracts.values import Claim, Partition
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.errors import StoreUnavailable, TooManyDeadLetters
from pipeline.job.claims import ClaimQueue
from pipeline.job.in_flight import PendingRecord
from pipeline.job.judgements import claims_of
from pipeline.job.refusal_reasons import RefusalReasons

_NO_DIGEST = bytes(8)


class PendingDeadLetter:
    """A refused record, and the claim under which its dead letter is written."""

    __slots__ = ("claim", "is_counted", "record")
    in_doubt = False  # one that was written, and may be durable, keeps its claim

    def __init__(self, record: PendingRecord, topic: str) -> None:
        """`topic` is the dead-letter topic: each topic gets the dead letter of an origin once."""
        origin = record_origin(record.offsets.place, record.raw.offset)
        text = repr(("dead letter", topic, record.offsets.place, record.raw.offset))
        self.record = record
        self.is_counted = False  # against the limit
        self.claim = Claim(blake2b(text.encode(), digest_size=16).digest(), _NO_DIGEST, origin)

    @property
    def is_stale(self) -> bool:
        """Whether the partition of its record was revoked: its next owner decides about the record."""
        return self.record.offsets.closed


class DeadLettering:
    """Writes the dead letters of refused records, and remembers each in the dedup store before its record ends."""

    def __init__(self, writer: DeadLetters, store: DedupStore, limit: DeadLetterLimit) -> None:
        """`limit` counts the dead letters that are new, not those that the dedup store remembers."""
        self._writer = writer
        self._limit = limit
        self._store = store
        self._claims: ClaimQueue[PendingDeadLetter] = ClaimQueue(store)
        self._written: dict[int, PendingDeadLetter] = {}  # not durable yet, by the identity of the raw record
        self._durable: list[PendingDeadLetter] = []  # not confirmed yet
        self._judgements: list[Claim] = []  # of records whose dead letter is there; not confirmed yet
        self._reasons = RefusalReasons()
        self._is_ending = False
        self._withdrawn = 0  # by the end of the job
        self._stale_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether no dead letter is being written, and none can be claimed now."""
        return self._claims.is_empty and not self._written

    @property
    def writing(self) -> int:
        """Dead letters that were begun and are not durable yet."""
        return len(self._written)

    @property
    def is_writing(self) -> bool:
        """Whether dead letters are being written that may still become durable."""
        return bool(self._written) and self._writer.is_writing

    def stale_bytes(self) -> int:
        """Return the weight of the records of revoked partitions whose dead letters are being written: they stay in memory."""
        return self._stale_bytes

    @property
    def unwritten(self) -> int:
        """Dead letters that were begun and are not durable at the end of the job: their records are read again."""
        return self._withdrawn + len(self._written)

    @property
    def unconfirmed(self) -> int:
        """Dead letters that are durable, and that the dedup store did not confirm."""
        return len(self._durable)

    def add(self, record: PendingRecord) -> None:
        """Begin to dead-letter a refused record, unless the job ends or the partition was revoked: then the record is read again."""
        if not record.offsets.closed and not self._is_ending:
            self._claims.add([PendingDeadLetter(record, self._writer.topic)])

    def process(self, now_ms: int) -> Iterator[PendingRecord]:
        """Claim and write the dead letters that are due. Yield the records that end: their dead letter is remembered, now or from earlier.

        Raises:
            DeadLetterUnavailable: the dead-letter topic refuses a record, or has taken none for too long.
            StoreUnavailable: the dedup store does not answer. The next call confirms what is durable.
            TooManyDeadLetters: the share of dead letters is above the limit. The one that is too many, and those behind it, are not written.
        """
        yield from self._confirm()
        while not self._is_ending:
            granted, known = self._claims.process(now_ms)
            yield from [letter.record for letter, _ in known]
            self._judgements += [claim for letter, _ in known for claim in claims_of(letter.record.refused)]
            self._write(granted)
            if self._claims.is_empty:
                break

    def forget(self, partitions: Collection[Partition]) -> None:
        """Forget what is not being written of partitions that were revoked. The rest is confirmed when it is durable."""
        withdrawn = self._withdraw(partitions)
        self._claims.drop_stale()
        self._claims.release(withdrawn)

    def renew(self) -> None:
        """Claim again what is not being written yet: the claims may have lapsed."""
        self._claims.renew(self._withdraw(self._partitions()))

    def end(self) -> None:
        """Write nothing more. What no producer holds is withdrawn; its claims end with the lease."""
        self._is_ending = True
        self._withdrawn += len(self._withdraw(self._partitions()))

    def _write(self, granted: Sequence[PendingDeadLetter]) -> None:
        for place, letter in enumerate(granted):
            refusal = letter.record.refusal
            assert refusal is not None  # noqa: S101 - only refused records are added
            if not letter.is_counted:  # else its claim had lapsed
                letter.is_counted = True
                self._reasons.add(letter.record.raw, refusal)
                try:
                    self._limit.dead(letter.record.read_in)
                except TooManyDeadLetters as error:
                    self._withdrawn += len(granted) - place
                    with suppress(StoreUnavailable):  # else their claims end with the lease
                        self._claims.release(granted[place:])
                    raise TooManyDeadLetters(*error.lines, *self._reasons.lines()) from None
            self._written[id(letter.record.raw)] = letter
            self._writer.send(letter.record.raw, refusal)

    def _confirm(self) -> list[PendingRecord]:
        letters = [self._written.pop(id(raw)) for raw in self._writer.durable()]
        self._durable += letters
        self._stale_bytes -= sum(letter.record.weight for letter in letters if letter.is_stale)
        self._judgements += [claim for letter in letters for claim in claims_of(letter.record.refused)]
        if self._judgements:
            self._store.confirm(self._judgements)
            self._judgements = []
        self._claims.confirm(self._durable)
        confirmed, self._durable = self._durable, []
        return [letter.record for letter in confirmed]

    def _withdraw(self, partitions: Collection[Partition]) -> list[PendingDeadLetter]:
        withdrawn = [self._written.pop(id(raw)) for raw in self._writer.forget(partitions)]
        self._stale_bytes = sum(letter.record.weight for letter in self._written.values() if letter.is_stale)
        return withdrawn

    def _partitions(self) -> set[Partition]:
        return {letter.record.offsets.partition for letter in self._written.values()}
