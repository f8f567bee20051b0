"""The loop: one record's way, from poll to commit, read top to bottom.

    poll → convert → claim → batch → report → confirm → end → commit

One thread owns all state here. The HTTP calls run elsewhere and come back as values; so do rebalances, refusals and dead letters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.contracts.interfaces import DeadLetters, DedupStore, Source
from pipeline.contracts.values import (
    Assigned,
    ClaimResult,
    Commit,
    LostToRetention,
    Partition,
    Pending,
    Polled,
    Refused,
    Revoked,
    SourceEvent,
    Stalled,
)
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.errors import DestinationHalt, Log2mqError, RegistryUnavailable
from pipeline.job.backpressure import Backpressure
from pipeline.job.books import FILTERED, REFUSED, RecordOutcome, RecordResult
from pipeline.job.claims import ClaimQueue
from pipeline.job.converter import Converter
from pipeline.job.dispatch import Dispatch, Settled
from pipeline.job.in_flight import PendingMessage, PendingRecord
from pipeline.job.limits import FlowLimits
from pipeline.job.offsets import Offsets, PartitionOffsets
from pipeline.job.status import Status
from schemas.log import Record
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind

RECORD_OVERHEAD_BYTES = 1024
"""What each message, or the dead letter, of an unfinished record costs beside the record's value, so that many small ones are bounded too."""

BUSY_POLL_MS = 10
IDLE_POLL_MS = 100
STATUS_EVERY_MS = 500
SWEEP_EVERY_MS = 1_000
SYNC_EVERY_MS = 200
"""A rebalance commits what was finished then; what came after is read again, and recognised. Waiting for the disk more often costs more."""

TAKE_IN_MS = 1_000
"""How long records of one poll are taken in, where each takes long (a slow plug-in). The rest is handed back and read again: a member that does
not poll is put out of its group, and claims end with their lease."""

RECORDS_AT_ONCE = 250
"""Records taken between two looks at the senders: so many keep them busy, and are few enough to stay in the processor's cache."""


_log = logging.getLogger("log2mq.job")


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the loop drives."""

    source: Source
    convert: Converter
    store: DedupStore
    dispatch: Dispatch
    dead_letters: DeadLetters
    share: DeadLetterLimit


class Runner:
    """Runs one source until it is told to stop, its range ends, or something stops it for good."""

    def __init__(
        self,
        parts: Parts,
        pace: FlowLimits,
        clock: Callable[[], int],
        *,
        on_status: Callable[[Status], None] = lambda _: None,
        on_lost: Callable[[LostToRetention], None] = lambda _: None,
        has_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        """`clock` gives Unix milliseconds. `has_ended` says that there will be nothing more to read."""
        self._source = parts.source
        self._convert = parts.convert
        self._store = parts.store
        self._desk = ClaimQueue(parts.store)
        self._dispatch = parts.dispatch
        self._dead_letters = parts.dead_letters
        self._share = parts.share
        self._pace = pace
        self._clock = clock
        self._on_status = on_status
        self._on_lost = on_lost
        self._has_ended = has_ended
        self._burying: dict[tuple[str, int, int], list[PendingRecord]] = {}
        self._ended_since_commit = 0
        self._stopping = False
        self._stalls = 0
        self._leave_by_ms = 0  # when the grace time ends; set by a stop
        self._is_leaving = False  # nothing more is sent, no dead letter either
        self._error: Log2mqError | None = None  # what ends the job
        self._delivered: list[PendingMessage] = []  # taken by the API, and not confirmed yet
        self._unsynced = False
        self._durable: dict[Partition, Commit] = {}  # what a rebalance inside `poll` may commit
        self._next: dict[str, int] = {}
        self._renewed_ms = clock()
        # Opening the store took the lease, but the brokers may have been waited for since then.
        self._store.renew(self._renewed_ms)
        self.offsets = Offsets()
        self._pauses = Backpressure(parts.source, self.offsets, pace)

    def stop(self) -> None:
        """Read nothing more, finish what is in flight within the grace time, commit, and return from `run`. Safe in a signal handler."""
        self._stopping = True

    def run(self) -> Status:
        """Run to the end and return where it stands then; `on_status` is given that too, even where an error is the end.

        Raises:
            Log2mqError: one of its kinds, for what stops the job; everything finished until then is committed.
        """
        try:
            try:
                with self._noting():
                    self._work()
            finally:
                self._remember_answers()
            with self._noting():
                self._commit()
        finally:
            self._source.close()
            self._on_status(self.status())
        if self._error is not None:
            raise self._error
        return self.status()

    def turn(self) -> None:
        """Go once around."""
        polled = self._source.poll(self._wait(), self._durable)
        now_ms = self._clock()
        self._keep_lease(now_ms)
        for event in polled.events:
            self._source_event(event)
            self._durable = {}  # of an epoch that may have ended
        self._take_in(polled, now_ms + TAKE_IN_MS)
        self._move_on(now_ms)
        self._commit_if_due(now_ms)
        self._sync_if_due(now_ms)
        self._adjust_pauses(now_ms)
        self._tick(now_ms)

    # --- in ------------------------------------------------------------------------------------------------------------------

    def _source_event(self, event: SourceEvent) -> None:
        match event:
            case Assigned(start):
                self.offsets.assign(start)
                self._pauses.let_go(start)
                self._drop_stale(start)
            case Revoked(partitions):
                self.offsets.revoke(partitions)
                self._pauses.let_go(partitions)
                self._drop_stale(partitions)
            case LostToRetention(partition, first, last, resumed_at):
                if (offsets := self.offsets.owned.get(partition)) is not None:
                    offsets.lose(max(0, last - first + 1), resumed_at)
                self._on_lost(event)
            case Stalled():
                self._stalls += 1

    def _take_in(self, polled: Polled, until_ms: int) -> None:
        unread: set[Partition] = set()  # partitions of which something was handed back
        clock = self._clock
        for partition, records in polled.records.items():
            if (offsets := self.offsets.owned.get(partition)) is None:
                continue  # a partition not ours (any more): its owner reads these
            offsets.begin(records)
            for begun in range(0, len(records), RECORDS_AT_ONCE):
                asking: list[PendingMessage] = []
                for place, record in enumerate(records[begun : begun + RECORDS_AT_ONCE], begun):
                    is_late = clock() >= until_ms
                    pending = None if is_late else self._take_record(record, offsets, asking)
                    if is_late or pending is not None:
                        self._hand_back(partition, offsets, records[place:], pending)
                        unread.add(partition)
                        break
                self._desk.ask(asking)
                self._move_on(self._clock())
                if partition in unread:
                    break
        self.offsets.advance({each: position for each, position in polled.positions.items() if each not in unread})

    def _take_record(self, record: Record, offsets: PartitionOffsets, asking: list[PendingMessage]) -> Pending | None:
        """Convert a record, and add what it became to those that ask to be reported; or return why that cannot be done now."""
        parcels, refusal, _, pending = self._convert(record)
        if pending is not None:
            return pending
        self._share.read()
        if not parcels:
            if refusal is None:
                self._end(record.offset, offsets, FILTERED)
            else:
                ticket = _begun(record, offsets, 1)
                ticket.refusal = refusal
                self._bury(ticket)
            return None
        ticket = _begun(record, offsets, len(parcels))
        ticket.open = len(parcels)
        for parcel in parcels:
            parcel.ticket = ticket
        if len(parcels) == 1 and refusal is None:
            asking += parcels
            return None
        ticket.counts = [0] * 7
        ticket.refusal = refusal
        users = [parcel for parcel in parcels if parcel.kind is Kind.USER]
        if users and len(users) < len(parcels):
            # Identities reach the API no later than the events that need them (reference, section 8).
            ticket.gated = [parcel for parcel in parcels if parcel.kind is Kind.EVENT]
            parcels = users
        asking.extend(parcels)
        return None

    def _hand_back(
        self, partition: Partition, offsets: PartitionOffsets, records: Sequence[Record], pending: Pending | None
    ) -> None:
        """Hand records back unread, to be read again: at once, or when the first of them can be. Polling goes on, and so do the other partitions."""
        offsets.put_back(records)
        if pending is not None and pending.is_lost:
            raise RegistryUnavailable(pending.reason)
        self._source.seek(partition, records[0].offset)
        if pending is not None:
            self._pauses.hold(partition, self._clock() + pending.after_ms, pending.reason)

    # --- on ------------------------------------------------------------------------------------------------------------------

    def _move_on(self, now_ms: int) -> None:
        """Take in what the API and the dead-letter topic answered, claim, and send: in this order, so that what was taken is remembered first."""
        self._settle(self._dispatch.take_in(now_ms), now_ms)
        self._end_dead_lettered()
        while True:
            granted, known = self._desk.settle(now_ms)
            self._dispatch.add(granted, now_ms)
            for parcel, result in known:
                self._close(parcel, _KNOWN[result, parcel.kind])
            if not self._desk.has_work:
                break
        if self._dispatch.halt and not self._dispatch.sending:
            raise DestinationHalt(self._dispatch.halt)
        self._dispatch.send(now_ms, flush=self._stopping or self._has_ended())

    def _settle(self, settled: Settled, now_ms: int) -> None:
        self._delivered += (
            settled.delivered
        )  # kept until the store has taken it: where it fails now, it is asked once more at the end
        self._desk.confirm(self._delivered, now_ms)
        delivered, self._delivered = self._delivered, []
        self._unsynced = self._unsynced or bool(delivered)
        self._desk.release([*(parcel for parcel, _ in settled.refused), *settled.dropped])
        self._desk.renew(settled.withdrawn)
        for parcel in delivered:
            self._close(parcel, _REPORTED[parcel.kind])
        for parcel, refused in settled.refused:
            self._refuse(parcel, refused)

    def _end_dead_lettered(self) -> None:
        for record in self._dead_letters.durable():
            for ticket in self._burying.pop((record.topic, record.partition, record.offset), ()):
                ticket.offsets.unfinished_bytes -= ticket.weight
                self._end(record.offset, ticket.offsets, ticket.ending() if ticket.counts else REFUSED)

    def _refuse(self, parcel: PendingMessage, refused: Refused) -> None:
        parcel.ticket.refusal = Refusal(
            Stage.REPORT, ReasonCode.API_REFUSED, refused.reason, refused.code, refused.request_id, refused.trace_id
        )
        parcel.ticket.counts = parcel.ticket.counts or [0] * 7
        self._close(parcel, _REFUSED[parcel.kind])

    def _close(self, parcel: PendingMessage, ended: tuple[int, RecordResult]) -> None:
        """A message has ended; perhaps its record has too."""
        ticket = parcel.ticket
        column, alone = ended
        if ticket.counts is None:  # its only one, as most are
            ticket.offsets.unfinished_bytes -= ticket.weight
            self._end(ticket.record.offset, ticket.offsets, alone)
            return
        ticket.open -= 1
        ticket.counts[column] += 1
        if ticket.gated is not None and ticket.open == len(ticket.gated):
            self._desk.ask(ticket.gated)
            ticket.gated = None
        if ticket.open:
            return
        if ticket.refusal is not None:
            self._bury(ticket)  # and it keeps its weight until the dead letter is durable
        else:
            ticket.offsets.unfinished_bytes -= ticket.weight
            self._end(ticket.record.offset, ticket.offsets, ticket.ending())

    def _bury(self, ticket: PendingRecord) -> None:
        """Hand a refused record to the dead letters; it ends when they have it for good."""
        assert ticket.refusal is not None  # noqa: S101 - both callers have set it
        if ticket.offsets.closed or self._is_leaving:
            return  # whoever owns the partition next reads the record again and comes to its own conclusion
        record = ticket.record
        self._burying.setdefault((record.topic, record.partition, record.offset), []).append(ticket)
        self._dead_letters.send(record, ticket.refusal)
        self._share.dead()

    def _end(self, offset: int, offsets: PartitionOffsets, ending: RecordResult) -> None:
        if offsets.closed:
            return
        offsets.end(offset, ending)
        self._ended_since_commit += 1

    def _drop_stale(self, partitions: Collection[Partition]) -> None:
        """Let go of everything unsent that belongs to partitions taken away; what is being sent keeps its claim until its outcome."""
        self._dead_letters.forget(partitions)
        self._burying = {
            place: tickets for place, tickets in self._burying.items() if Partition(*place[:2]) not in partitions
        }
        self._desk.drop_stale()
        self._desk.release(self._dispatch.drop_stale())

    # --- out -----------------------------------------------------------------------------------------------------------------

    def _commit_if_due(self, now_ms: int) -> None:
        if self._ended_since_commit >= self._pace.commit_records or self._is_due(
            "commit", now_ms, self._pace.commit_every_ms
        ):
            self._commit()

    def _commit(self) -> bool:
        commits = self.offsets.committable()
        self._ended_since_commit = 0
        if not commits:
            return True
        self._sync()
        if not self._source.commit(commits):
            return False
        self.offsets.committed(commits)
        self._durable = {}
        return True

    def _sync_if_due(self, now_ms: int) -> None:
        if self._is_due("sync", now_ms, SYNC_EVERY_MS):
            commits = self.offsets.committable()
            self._sync()
            self._durable = commits

    def _sync(self) -> None:
        """What was confirmed survives a crash of the machine before any offset moves."""
        if self._unsynced:
            self._store.sync()
            self._unsynced = False

    def _adjust_pauses(self, now_ms: int) -> None:
        dispatch = self._dispatch
        self._pauses.adjust(dispatch.ready, now_ms, reads_no_more=self._stopping, is_halted=bool(dispatch.halt))

    def _keep_lease(self, now_ms: int) -> None:
        """Renew in time; and where that was missed (a long pause of the process), ask anew for whatever was not sent: another may have it."""
        if now_ms - self._renewed_ms < self._pace.lease_ms // 4:
            return
        has_lapsed = now_ms - self._renewed_ms >= self._pace.lease_ms
        self._store.renew(now_ms)
        self._renewed_ms = now_ms
        if has_lapsed:
            self._desk.renew(self._dispatch.withdraw())

    def _tick(self, now_ms: int) -> None:
        if self._is_due("sweep", now_ms, SWEEP_EVERY_MS):
            self._store.sweep(now_ms)
        if self._is_due("status", now_ms, STATUS_EVERY_MS):
            for offsets in self.offsets.owned.values():
                offsets.session_books().check()
            self._on_status(self.status())

    def _is_due(self, what: str, now_ms: int, every_ms: int) -> bool:
        if now_ms < self._next.get(what, 0):
            return False
        self._next[what] = now_ms + every_ms
        return True

    def _wait(self) -> int:
        """Wait for outcomes where nothing may be read, and return how long to wait for records, in ms."""
        if self._dispatch.is_idle and not self._desk.has_work and not self._burying:
            return IDLE_POLL_MS
        if self._dispatch.sending and self._pauses.cover_all:
            self._dispatch.wait(BUSY_POLL_MS / 1000)
            return 0
        return BUSY_POLL_MS

    def _is_idle(self) -> bool:
        return not self.offsets.in_flight

    # --- the end -------------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Go around until there is nothing more to read; after `stop`, finish what is in flight in the first half of the grace time."""
        while not self._stopping:
            self.turn()
            if self._has_ended() and self._is_idle():
                return
        now_ms = self._clock()
        self._leave_by_ms = now_ms + self._pace.grace_ms
        self._adjust_pauses(now_ms)
        while not self._is_idle() and self._clock() < self._leave_by_ms - self._pace.grace_ms // 2:
            self.turn()

    def _remember_answers(self) -> None:
        """Whatever ends the job: send nothing more, wait for the answers under way within the grace time, and remember what was delivered.

        Batches of partitions that were taken away are among them. What one part of the job fails at does not keep the others from their work.
        """
        self._is_leaving = True
        until_ms = self._leave_by_ms or self._clock() + self._pace.grace_ms
        while True:
            now_ms = self._clock()
            with self._noting():
                self._keep_lease(now_ms)
            with self._noting():
                self._settle(self._dispatch.take_in(now_ms), now_ms)
            with self._noting():
                self._end_dead_lettered()
            if not self._dispatch.sending or now_ms >= until_ms:
                break
            self._dispatch.wait(BUSY_POLL_MS / 1000)
        with self._noting():
            self._sync()
        if self._dispatch.halt and self._error is None:
            self._error = DestinationHalt(self._dispatch.halt)
        if self._dispatch.sending:
            _log.warning(
                "%d calls were not answered within stop.grace; their messages are reported again",
                self._dispatch.sending,
            )
        if self._delivered:
            _log.warning(
                "%d messages were delivered, but the dedup store did not take that; they are reported again",
                len(self._delivered),
            )

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Keep an error for the end of the job; the first one says what to mend."""
        try:
            yield
        except Log2mqError as error:
            self._error = self._error or error

    def status(self) -> Status:
        """Where the job stands: the books, the lag, and what it waits for."""
        return Status(
            at_ms=self._clock(),
            books=self.offsets.books(),
            lifetime=self.offsets.lifetime_books(),
            lag=self._source.lag(),
            attempts=self._dispatch.attempts,
            sending=self._dispatch.sending,
            queued=self._dispatch.queued,
            waiting_elsewhere=self._desk.waiting_elsewhere,
            rests_until_ms=self._dispatch.rests_until_ms(),
            warnings=self._convert.warnings,
            stopping=self._stopping,
            held=self._pauses.reason,
            stalls=self._stalls,
        )


def _begun(record: Record, offsets: PartitionOffsets, messages: int) -> PendingRecord:
    """Return the ticket of a record that counts from now on against `limits.in_flight`."""
    weight = len(record.value or b"") + RECORD_OVERHEAD_BYTES * messages
    offsets.unfinished_bytes += weight
    return PendingRecord(record, offsets, weight)


_REPORTED = {
    Kind.EVENT: (0, RecordResult(RecordOutcome.REPORTED, events_reported=1)),
    Kind.USER: (4, RecordResult(RecordOutcome.REPORTED, users_reported=1)),
}
_KNOWN = {
    (ClaimResult.DUPLICATE, Kind.EVENT): (1, RecordResult(RecordOutcome.DUPLICATE, events_duplicate=1)),
    (ClaimResult.DUPLICATE, Kind.USER): (5, RecordResult(RecordOutcome.DUPLICATE, users_duplicate=1)),
    (ClaimResult.REDELIVERED, Kind.EVENT): (2, RecordResult(RecordOutcome.REDELIVERED, events_redelivered=1)),
    (ClaimResult.REDELIVERED, Kind.USER): (5, RecordResult(RecordOutcome.REDELIVERED, users_duplicate=1)),
}
_REFUSED = {
    Kind.EVENT: (3, RecordResult(RecordOutcome.DEAD_LETTERED, events_refused=1)),
    Kind.USER: (6, RecordResult(RecordOutcome.DEAD_LETTERED, users_refused=1)),
}
