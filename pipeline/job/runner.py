"""The loop: one record's way, from poll to commit, read top to bottom.

    poll → convert → claim → batch → report → confirm → end → commit

One thread owns all state here. HTTP calls run in sender threads. Their outcomes, rebalances, refusals and dead letters arrive as values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from pipeline.contracts.deadline import Deadline, EndStep
from pipeline.contracts.values import Assigned, Leaving, LostToRetention, Partition, Revoked, SourceEvent, Stalled
from pipeline.errors import DestinationHalt
from pipeline.job.backpressure import Backpressure
from pipeline.job.claims import ClaimQueue
from pipeline.job.commits import Commits
from pipeline.job.dead_lettering import DeadLettering
from pipeline.job.deliveries import Deliveries
from pipeline.job.first_error import FirstError
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.group_store import GroupStore
from pipeline.job.hand_over import HandOver
from pipeline.job.in_flight import InFlight, PendingMessage
from pipeline.job.intake import Intake
from pipeline.job.judgements import find_judgements
from pipeline.job.last_answers import LastAnswers
from pipeline.job.message_end import KNOWN
from pipeline.job.offsets import Offsets
from pipeline.job.parts import Parts
from pipeline.job.rebalance_log import log_gained, log_lost, log_offsets_lost
from pipeline.job.snapshot import Snapshot
from pipeline.job.status import Status
from pipeline.job.timing import Interval, Lease
from pipeline.job.watch_log import WatchLog

BUSY_POLL_MS = 10
IDLE_POLL_MS = 100
STATUS_EVERY_MS = 500
SWEEP_EVERY_MS = 250


class Runner:
    """Runs one source until it is told to stop, its range ends, or an error ends it."""

    def __init__(
        self,
        parts: Parts,
        limits: FlowLimits,
        clock: Callable[[], int],
        *,
        on_status: Callable[[Status], None] = lambda _: None,
        before_commit: Callable[[Status], None] | None = None,
        on_lost: Callable[[LostToRetention], None] = lambda _: None,
        has_ended: Callable[[], bool] = lambda: False,
        new_store: bool = False,
    ) -> None:
        """`clock` returns ms of a clock that never goes back: it decides when something is due. `has_ended` returns whether there is nothing more to read.

        `before_commit` gets the status before anything is committed: whoever adds up what several processes did misses nothing of one that dies.
        With `new_store` the group may have worked with another dedup store.
        """
        self._source, self._convert, self._store = parts.source, parts.convert, parts.store
        self._dispatch = parts.dispatch
        self._claims: ClaimQueue[PendingMessage] = ClaimQueue(parts.store)
        self._dead_lettering = DeadLettering(parts.dead_letters, parts.store, parts.dead_letter_limit)
        self._dispatch.find_judgements = partial(find_judgements, self._store)
        self._counts = parts.counts
        self._in_flight = InFlight(self._dead_lettering.add, parts.dead_letter_limit, parts.counts, parts.unix_clock)
        self._clock = clock
        self._on_status, self._on_lost, self._has_ended = on_status, on_lost, has_ended
        self._grace_ms = limits.grace_ms
        self._deadline = parts.deadline or Deadline(clock)
        self._is_stopping = False
        self._errors = FirstError()
        self.offsets = Offsets(GroupStore(parts.store.identity, is_new=new_store), self._dead_lettering.stale_bytes)
        tell = (lambda: before_commit(self.status())) if before_commit is not None else lambda: None
        self._commits = Commits(parts.source, parts.store, self.offsets, limits, tell, parts.counts)
        self._deliveries = Deliveries(self._claims, self._commits, self._in_flight, self._dead_lettering)
        self._last_answers = LastAnswers(
            self._dispatch, self._deliveries, self._dead_lettering, self._commits, self._deadline, self._errors
        )
        self._backpressure = Backpressure(parts.source.pauses, self.offsets, limits)
        self._intake = Intake(
            parts.source,
            parts.convert,
            self.offsets,
            self._in_flight,
            self._backpressure,
            clock,
            limits.in_flight_bytes,
        )
        self._watch_log = WatchLog()
        self._snapshot = Snapshot(parts, self.offsets, self._claims, self._backpressure)
        self._hand_over = HandOver(parts.source, self.offsets, self._commits, self._lose, limits.grace_ms // 2)
        self._lease = Lease(parts.store, limits.lease_ms, clock)
        self._deadline.while_waiting = parts.convert.between_entries = lambda: self._lease.keep(clock())
        self._sweep, self._report = Interval(SWEEP_EVERY_MS), Interval(STATUS_EVERY_MS)

    def stop(self) -> None:
        """Read nothing more, finish what is in flight within the grace time, commit, and return from `run`. Safe in a signal handler."""
        self._deadline.begin(self._grace_ms, EndStep.FINISH)
        self._is_stopping = True

    def may_wait_for_store(self, reason: str) -> bool:
        """Show that the job waits for the dedup store, and return whether it may: after a stop or an error each question gets one attempt."""
        if self._is_stopping or self._errors.is_any:
            return False
        self._on_status(replace(self.status(), held=reason, store_away=True))
        return True

    def run(self) -> Status:
        """Run to the end and return the last status. `on_status` gets it too, also where an error ends the job.

        Raises:
            Log2mqError: the error that ends the job. Everything that was finished before is committed.
        """
        try:
            try:
                with self._errors.kept():
                    self._work()
            finally:
                self._last_answers.finish(self._grace_ms, self._keep_lease, self._clock)
                self._deadline.while_waiting = lambda: None  # nothing is sent or confirmed any more
            self._deadline.enter(EndStep.COMMIT)
            with self._errors.kept():
                self._commits.commit()
        finally:
            self._deadline.enter(EndStep.CLOSE)
            self._source.close()
            self._on_status(self.status().ended())
        self._errors.raise_if_any(but_store_away=self._is_stopping and not self._deliveries.are_unconfirmed)
        return self.status().ended()

    def turn(self) -> None:
        """Go once around the loop."""
        polled = self._source.poll(self._poll_timeout_ms(), self._commits.durable, self._intake.poll_bytes)
        now_ms = self._clock()
        self._follow(polled.events, now_ms)
        for messages in self._intake.read(polled):
            self._claims.add(messages)
            self._advance(self._clock())
        self._advance(self._clock())
        self._hand_over.release_finished(now_ms)
        self._commits.commit_if_due(self._in_flight.finished, now_ms)
        self._adjust_backpressure(now_ms)
        self._sweep_and_report(now_ms)

    def _poll_timeout_ms(self) -> int:
        """Wait for outcomes where no record can arrive, and return how long to wait for records."""
        if self._dispatch.is_idle and self._claims.is_empty and self._dead_lettering.is_idle:
            return IDLE_POLL_MS
        if self._dispatch.sending and self._backpressure.all_paused:
            self._dispatch.wait(BUSY_POLL_MS / 1000)
            return 0
        return BUSY_POLL_MS

    def _keep_lease(self, now_ms: int) -> None:
        """Renew the lease in time. If it lapsed, claim everything again that was not sent: another process may have claimed it."""
        self._lease.keep(now_ms)
        if self._lease.take_lapse():
            self._claims.renew(self._dispatch.withdraw())
            self._dead_lettering.renew()

    def _follow(self, events: Sequence[SourceEvent], now_ms: int) -> None:
        """Follow rebalances and lost offsets."""
        for event in events:
            match event:
                case Assigned(start, topic_ids):
                    self._counts.rebalances += bool(start)
                    self._end_epochs(start)
                    self.offsets.assign(start, topic_ids)
                    log_gained(start)
                case Revoked(partitions):
                    self._lose(partitions)
                case Leaving(partitions):
                    self._hand_over.begin(partitions, now_ms)
                case LostToRetention():
                    self.offsets.lose(*event)
                    log_offsets_lost(event)
                    self._on_lost(event)
                case Stalled():
                    self._snapshot.stalls += 1

    def _lose(self, partitions: Collection[Partition]) -> None:
        """Follow the loss of partitions to another member."""
        self._counts.rebalances += 1
        self._end_epochs(partitions)
        log_lost(partitions)

    def _end_epochs(self, partitions: Collection[Partition]) -> None:
        """Forget everything unsent of partitions. A batch that is being sent keeps its claims until its outcome."""
        self.offsets.revoke(partitions)
        self._commits.forget_durable(partitions)
        self._hand_over.forget(partitions)
        self._backpressure.forget(partitions)
        self._dead_lettering.forget(partitions)
        self._claims.drop_stale()
        self._claims.release(self._dispatch.drop_stale())

    def _advance(self, now_ms: int) -> None:
        """Apply the answers of the API and of the dead-letter topic, claim, and send: in this order, so that deliveries are remembered first."""
        self._keep_lease(now_ms)
        self._deliveries.apply(self._dispatch.collect(now_ms))
        self._deliveries.end_dead_lettered(now_ms)
        while True:
            granted, known = self._claims.process(now_ms)
            self._dispatch.add(granted, now_ms)
            for message, result in known:
                self._commits.note_known(message.claim)
                self._claims.add(self._in_flight.close(message, KNOWN[result, message.kind]))
            if self._claims.is_empty:
                break
        if self._dispatch.halt and not self._dispatch.sending:
            raise DestinationHalt(self._dispatch.halt)
        self._dispatch.send(now_ms, self._lease.send_until_ms, flush=self._is_stopping or self._has_ended())

    def _adjust_backpressure(self, now_ms: int) -> None:
        stops = self._is_stopping or bool(self._dispatch.halt)
        self._backpressure.adjust(self._dispatch.ready, self._dead_lettering.writing, now_ms, stops_reading=stops)

    def _sweep_and_report(self, now_ms: int) -> None:
        """Remove expired keys from the store, check the books, and report the status, each in its interval."""
        if self._sweep.is_due(now_ms):
            self._store.sweep()
        if self._report.is_due(now_ms):
            self.offsets.check()
            self._snapshot.look(now_ms)
            status = self.status()
            self._watch_log.note(status, self._snapshot.head)
            self._on_status(status)

    def _work(self) -> None:
        """Go around until there is nothing more to read. After `stop`, finish what is in flight in the first half of the grace time."""
        while not self._is_stopping:
            self.turn()
            if self._has_ended() and not self.offsets.in_flight:
                return
        self._adjust_backpressure(self._clock())
        while self.offsets.in_flight and not self._deadline.step_is_over:
            self.turn()

    def status(self) -> Status:
        """Return the books, the lag, and what the job waits for."""
        return self._snapshot.status(self._clock(), is_stopping=self._is_stopping)
