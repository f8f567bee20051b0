"""One operation of the API, events or users: which batch is sent next, and when. The other operation does not hold it up."""

from __future__ import annotations

from pipeline.contracts.retry import Backoff, Breaker
from pipeline.contracts.values import Exhausted, Refused, Retry
from pipeline.job.attempts import Attempts
from pipeline.job.batch import Batch, Batcher
from pipeline.job.contrast import Contrast, Decision
from pipeline.job.hold import Hold
from pipeline.job.in_flight import PendingMessage
from pipeline.job.send_queue import SendQueue

FIRST_LONE_MS = 5_000
"""The shortest wait before a message that was refused alone is tried again without a contrast: it is more often bad than not."""


class ApiOperation:
    """Its batches on their way: gathered, queued, sent, held back in an outage, or refused and without a contrast.

    While the API is away, or refuses everything, the operation rests: after each back-off one batch is sent, the probe.
    """

    def __init__(self, batcher: Batcher, backoff: Backoff, hold_ms: int, attempts: Attempts) -> None:
        """`hold_ms` is `report.unknown_hold`; `attempts` counts the calls of both operations."""
        self.batcher = batcher
        self.queue = SendQueue()
        self.sending = 0
        self._backoff = backoff
        self._breaker = Breaker(backoff)
        self._contrast = Contrast(batcher.kind, hold_ms, attempts)
        self._is_away = False  # the last failure was one of the destination, not a refusal
        self._probes = 0

    @property
    def waiting(self) -> int:
        """Batches that wait to be sent, or to be sent again."""
        return len(self.queue) + len(self._contrast)

    @property
    def has_batches(self) -> bool:
        """Whether anything is gathered or waits."""
        return bool(len(self.batcher) or self.waiting)

    @property
    def is_resting(self) -> bool:
        """Whether new batches wait for the end of an outage."""
        return self._breaker.next_ms() is not None and (self._is_away or self._contrast.is_outage)

    def next_probe_ms(self) -> int | None:
        """Return the time of the next attempt while the API is away, in ms of the clock of `next`; None while it is not."""
        return self._breaker.next_ms() if self._is_away else None

    def hold(self) -> Hold | None:
        """Return what is refused without a contrast, or None."""
        return self._contrast.hold()

    def next(self, now_ms: int) -> Batch | None:
        """Take out the batch to be sent now, or None."""
        if self._breaker.next_ms() is None:
            if (batch := self.queue.next(now_ms)) is None and len(self._contrast) and not self.sending:
                self._breaker.failed(now_ms, self._least_rest_ms)  # nothing under way can give a contrast
            return batch
        if not self._breaker.may_send(now_ms):
            # A few messages that are refused alone hold up no other message.
            return None if self.is_resting else self.queue.next(now_ms)
        if (part := self.queue.next_part()) is not None:
            return part
        # Every other probe is a batch that has not been refused: it may be accepted while all content that was refused is bad.
        self._probes += 1
        if self._probes % 2:
            return self.queue.next(now_ms) or self._probe()
        return self._probe() or self.queue.next(now_ms)

    def sent(self, batch: Batch) -> None:
        """Note that a batch is sent as the call `batch.call`."""
        self.sending += 1
        self._breaker.sent()
        self._contrast.sent(batch)

    def answered(self, batch: Batch) -> None:
        """Note that the answer to a batch arrived."""
        self.sending -= 1
        self.queue.answered(batch)

    def unsent(self, batch: Batch, *, again: bool) -> None:
        """Note that a batch was not sent after all. With `again` it is sent before new ones, if it has messages left."""
        self._breaker.unsent()
        if self._contrast.unsent(batch, again=again) or not (again and batch.messages):
            return
        if batch.root is not None:
            self.queue.add_parts([batch])
        else:
            self.queue.add_again([batch])

    def accepted(self, batch: Batch) -> None:
        """Note that the API accepted a batch. What was refused before has a contrast now."""
        self._breaker.succeeded()
        self._is_away = False
        released = self._contrast.accepted(batch)
        self.queue.add_again(released.again)
        self.queue.add_parts(released.parts)

    def refused(self, batch: Batch, retry: Retry, now_ms: int) -> Decision:
        """Decide what becomes of a batch that was refused. A batch that is held stays here, and the operation rests."""
        decision = self._contrast.refused(batch, retry, now_ms)
        if decision is Decision.HOLD:
            self._rest(retry, now_ms)
        else:
            self._breaker.succeeded()
        if decision is Decision.DIVIDE:
            self.queue.add_parts(self._contrast.divide(batch))
        return decision

    def failed(self, outcome: Retry | Refused, now_ms: int) -> None:
        """Note a failure that says nothing of the content of a batch."""
        if isinstance(outcome, Retry) and outcome.exhausted is not Exhausted.HALT:
            self._rest(outcome, now_ms)
        elif isinstance(outcome, Retry) and outcome.outage:
            self._breaker.failed(now_ms, outcome.after_ms)
            self._is_away = True
        else:
            self._breaker.succeeded()

    def try_again(self, batch: Batch, retry: Retry, now_ms: int) -> None:
        """Send a batch again: after the outage, or after a back-off of its own."""
        if retry.outage:
            self.queue.add_again([batch])
        else:
            self.queue.rest(batch, now_ms + self._backoff.delay_ms(batch.failures, retry.after_ms))

    def withdraw(self) -> list[PendingMessage]:
        """Remove all messages that are not being sent, and return them."""
        gathered = self.batcher.seal().messages if len(self.batcher) else []
        return gathered + self.queue.clear() + self._contrast.clear()

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of revoked partitions that are not being sent, and return them."""
        return [*self.batcher.drop_stale(), *self.queue.drop_stale(), *self._contrast.drop_stale()]

    def _rest(self, retry: Retry, now_ms: int) -> None:
        self._is_away = False
        self._breaker.failed(now_ms, max(self._least_rest_ms, retry.after_ms or 0))

    @property
    def _least_rest_ms(self) -> int:
        return FIRST_LONE_MS if self._contrast.is_lone else 0

    def _probe(self) -> Batch | None:
        self.queue.add_parts(self._contrast.probe())
        return self.queue.next_part()
