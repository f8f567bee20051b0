"""One operation of the API, events or users: which batch is sent next, and when. The other operation does not hold it up."""

from __future__ import annotations

from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Exhausted, Refused, Retry
from pipeline.job.attempts import Attempts
from pipeline.job.batch import Batch, Batcher
from pipeline.job.contrast import Contrast
from pipeline.job.decision import Decision
from pipeline.job.flow.control import FlowControl
from pipeline.job.hold import Hold
from pipeline.job.in_flight import PendingMessage
from pipeline.job.judgements import Judgement
from pipeline.job.send_queue import SendQueue

FIRST_LONE_MS = 5_000
"""The shortest wait before a message that was refused alone is tried again without a contrast: it is more often bad than not."""

FAILS_ALONE = 3
"""A batch that has failed so often, while a later one was accepted, waits by itself: it may be the cause, and must not hold the others."""


class ApiOperation:
    """Its batches on their way: gathered, queued, sent, held back by its flow, or refused and without a contrast.

    While the API is away, or refuses everything, the operation rests: after each back-off one batch is sent, the probe.
    """

    def __init__(self, batcher: Batcher, backoff: Backoff, hold_ms: int, attempts: Attempts, flow: FlowControl) -> None:
        """`hold_ms` is `report.unknown_hold`; `attempts` counts the calls of both operations."""
        self.batcher = batcher
        self.queue = SendQueue()
        self.flow = flow
        self._backoff = backoff
        self._contrast = Contrast(batcher.kind, hold_ms, attempts)
        self._probes = 0
        self._accepted_call = 0  # the newest one that was accepted

    @property
    def waiting(self) -> int:
        """Batches that wait to be sent, or to be sent again."""
        return len(self.queue) + len(self._contrast)

    @property
    def has_batches(self) -> bool:
        """Whether anything is gathered or waits."""
        return bool(len(self.batcher) or self.waiting)

    @property
    def is_held_back(self) -> bool:
        """Whether new batches wait for something else than an idle sender: the end of an outage or a pause, or a limit."""
        return self._is_outage or self.flow.is_held

    def hold(self) -> Hold | None:
        """Return what is refused without a contrast, or None."""
        return self._contrast.hold()

    def next(self, now_ms: int) -> Batch | None:
        """Take out the batch to be sent now, or None."""
        if not self.waiting or not self.flow.may_send(now_ms):
            return None
        if not self.flow.is_resting:
            if (batch := self.queue.next(now_ms)) is None and len(self._contrast) and not self.flow.sending:
                self.flow.rest(0, now_ms, self._least_rest_ms)  # nothing under way can give a contrast
            return batch
        if not self.flow.may_probe(now_ms):
            # A few messages that are refused alone hold up no other message.
            return None if self._is_outage else self.queue.next(now_ms)
        if (part := self.queue.next_part()) is not None:
            return part
        # Every other probe is a batch that has not failed: it may be accepted while all content that failed is bad.
        self._probes += 1
        if self._probes % 2:
            return self.queue.next(now_ms) or self._probe()
        return self._probe() or self.queue.next_new() or self.queue.next(now_ms)

    def sent(self, batch: Batch, now_ms: int) -> None:
        """Note that a batch is sent as the call `batch.call`."""
        self.flow.sent(batch.call, len(batch.messages), now_ms)
        self._contrast.sent(batch)

    def answered(self, batch: Batch) -> None:
        """Note that the answer to a batch arrived."""
        self.flow.answered(batch.call)
        self.queue.answered(batch)

    def unsent(self, batch: Batch, *, again: bool) -> None:
        """Note that a batch was not sent after all. With `again` it is sent before new ones, if it has messages left."""
        self.flow.unsent(batch.call)
        self._keep(batch, again=again)

    def accepted(self, batch: Batch, took_ms: int | None, now_ms: int) -> None:
        """Note that the API accepted a batch. What was refused before has a contrast now."""
        self.flow.accepted(batch.call, len(batch.messages), took_ms, now_ms)
        self._accepted_call = max(self._accepted_call, batch.call)
        released = self._contrast.accepted(batch, now_ms)
        self.queue.add_again(released.again)
        self.queue.add_parts(released.parts)

    def refused(self, batch: Batch, retry: Retry, now_ms: int) -> Decision:
        """Decide what becomes of a batch that was refused. A batch that is held stays here, and the operation rests."""
        decision = self._contrast.refused(batch, retry, now_ms)
        if decision is Decision.HOLD:
            self._rest(batch, retry, now_ms)
        else:
            self.flow.answers()
        if decision is Decision.DOUBT:
            self.queue.rest(batch, now_ms + self._contrast.doubt_ms(batch))
        elif decision is Decision.DIVIDE:
            self.queue.add_parts(self._contrast.divide(batch))
        elif decision is Decision.REFUSE and batch.messages[0].judgement is Judgement.CONTRAST:
            self.queue.add_parts(self._contrast.probe())  # there may be many such messages, and each call finds one
        return decision

    def failed(self, batch: Batch, outcome: Retry | Refused, now_ms: int) -> None:
        """Note a failure that says nothing of the content of a batch."""
        if isinstance(outcome, Refused):
            self.flow.answers()
        elif outcome.exhausted is not Exhausted.HALT:
            self._rest(batch, outcome, now_ms)
        elif outcome.throttled:
            self.flow.throttled(batch.call, outcome, now_ms)
        elif outcome.outage:
            self.flow.failed(batch.call, outcome, now_ms)
        else:
            self.flow.answers()

    def try_again(self, batch: Batch, retry: Retry, now_ms: int) -> None:
        """Send a batch again: after the outage, as soon as the flow allows it, or after a back-off of its own."""
        if retry.throttled:
            self._keep(batch, again=True)
        elif retry.outage and not (batch.failures >= FAILS_ALONE and self._accepted_call > batch.first_call):
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

    @property
    def _is_outage(self) -> bool:
        return self.flow.is_resting and (self.flow.is_away or self._contrast.is_outage)

    def _keep(self, batch: Batch, *, again: bool) -> None:
        if self._contrast.unsent(batch, again=again) or not (again and batch.messages):
            return
        if batch.root is not None:
            self.queue.add_parts([batch])
        else:
            self.queue.add_again([batch])

    def _rest(self, batch: Batch, retry: Retry, now_ms: int) -> None:
        self.flow.rest(batch.call, now_ms, max(self._least_rest_ms, retry.after_ms or 0))

    @property
    def _least_rest_ms(self) -> int:
        return FIRST_LONE_MS if self._contrast.is_lone else 0

    def _probe(self) -> Batch | None:
        self.queue.add_parts(self._contrast.probe())
        return self.queue.next_part()
