"""Batches on their way to the API: sent, sent again, halved, given up. The decisions, without the network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.contracts.interfaces import SenderPool
from pipeline.contracts.retry import Backoff, Breaker
from pipeline.contracts.values import Delivered, Exhausted, Halt, Outcome, Refused, Retry, Unsent
from pipeline.job.attempts import Attempts
from pipeline.job.batch import Batch, Batcher
from pipeline.job.contrast import Contrast, Decision
from pipeline.job.in_flight import PendingMessage
from pipeline.job.send_queue import SendQueue


class Answers(NamedTuple):
    """The API's final answers about messages."""

    delivered: list[PendingMessage]
    refused: list[tuple[PendingMessage, Refused]]
    dropped: list[PendingMessage]  # not accepted, and their partition was revoked meanwhile
    withdrawn: list[PendingMessage]  # not accepted, and their claims lapsed meanwhile: to be claimed again


class Dispatch:
    """Sends messages in batches, and says which were delivered and which the API refuses for good.

    An outage holds everything back and loses nothing. A refused batch is halved until the bad message is alone. `halt` is set where a
    person must correct something.
    """

    def __init__(self, batchers: Iterable[Batcher], senders: SenderPool, backoff: Backoff, breaker: Breaker) -> None:
        self._batchers = {batcher.kind: batcher for batcher in batchers}
        self._senders = senders
        self._backoff = backoff
        self._breaker = breaker
        self._contrast = Contrast(self._batchers, backoff)
        self._queue = SendQueue()
        self._sending = 0
        self._lease = 0  # counts the leases: a batch of an earlier one has no claims any more
        self.attempts = Attempts()
        self.halt = ""  # why no batch can succeed until a person corrects something; then nothing more is sent

    def add(self, messages: Iterable[PendingMessage], now_ms: int) -> None:
        """Gather messages into batches."""
        for message in messages:
            if (full := self._batchers[message.kind].add(message, now_ms)) is not None:
                self._queue.add(full)

    def wait(self, timeout_s: float) -> None:
        """Wait for an outcome, at most so long."""
        self._senders.wait(timeout_s)

    def collect(self, now_ms: int) -> Answers:
        """Return the API's final answers so far. The caller remembers the delivered messages before it sends more."""
        answers = Answers([], [], [], [])
        try:
            outcomes = self._senders.collect()
        except BaseException:
            self._sending -= 1  # a fault in a sender; its batch does not come back
            raise
        for batch, outcome in outcomes:
            assert isinstance(batch, Batch)  # noqa: S101 - only batches are submitted, below
            self._sending -= 1
            self._queue.answered(batch)
            self._judge(batch, outcome, now_ms, answers)
        return answers

    def send(self, now_ms: int, until_ms: int, *, flush: bool = False) -> None:
        """Send the batches that are due; `flush` does not wait for batches to fill. Sends nothing once `halt` is set.

        No call begins at `until_ms` or later: the lease of the claims ends soon.
        """
        if self.halt:
            return
        for batcher in self._batchers.values():
            due_ms = batcher.due_ms()
            if due_ms is not None and (flush or due_ms <= now_ms):
                self._queue.add(batcher.seal())
        while self._senders.idle > 0 and self._breaker.may_send(now_ms):
            if (batch := self._next(now_ms)) is None:
                return
            self._send(batch, now_ms, until_ms)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is gathered, queued or being sent."""
        return not (self._sending or len(self._queue) or any(map(len, self._batchers.values())))

    @property
    def sending(self) -> int:
        """Batches being sent at this moment."""
        return self._sending

    @property
    def ready(self) -> int:
        """New batches that could be sent now, if a sender were idle and the destination up."""
        return self._queue.new

    @property
    def queued(self) -> int:
        """Batches that wait to be sent, or to be sent again."""
        return len(self._queue)

    def rests_until_ms(self) -> int | None:
        """Return when the destination is tried next, in ms of the clock of `send`; None while it is up."""
        return self._breaker.next_ms()

    def withdraw(self) -> list[PendingMessage]:
        """Remove the messages that are not being sent, and return them: their claims have lapsed.

        Messages that are being sent follow in `Answers.withdrawn`, unless they are delivered.
        """
        self._lease += 1
        gathered = [
            message for batcher in self._batchers.values() if len(batcher) for message in batcher.seal().messages
        ]
        return gathered + self._queue.clear()

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of revoked partitions that are not being sent, and return them."""
        gathered = [message for batcher in self._batchers.values() for message in batcher.drop_stale()]
        return gathered + self._queue.drop_stale()

    def _next(self, now_ms: int) -> Batch | None:
        may_send = self._contrast.may_send(now_ms)
        # While an operation is in doubt, every other call is a new batch.
        return self._queue.next(
            now_ms, may_send, may_send & self._contrast.in_doubt(), new_first=bool(self.attempts.calls % 2)
        )

    def _send(self, batch: Batch, now_ms: int, until_ms: int) -> None:
        if batch.in_doubt:
            self.attempts.resent_in_doubt += len(batch.messages)
            batch.in_doubt = False
        self.attempts.calls += 1
        batch.attempts += 1
        batch.lease = self._lease
        batch.call = self.attempts.calls
        self._sending += 1
        self._breaker.sent(now_ms)
        self._contrast.sent(batch, now_ms)
        self._senders.submit(batch, batch.kind, [message.body for message in batch.messages], until_ms)

    def _judge(self, batch: Batch, outcome: Outcome | Unsent, now_ms: int, answers: Answers) -> None:
        """Decide what becomes of a batch after one call."""
        if isinstance(outcome, Delivered):
            self._breaker.succeeded()
            self._contrast.accepted(batch)
            answers.delivered.extend(batch.messages)
            return
        if isinstance(outcome, Halt):
            self.halt = self.halt or _sentence(outcome)
            return
        if isinstance(outcome, Unsent):
            self._breaker.unsent()
            self._contrast.unsent(batch.kind)
            self._keep(batch, answers)
            return
        self.attempts.last_failure = f"{outcome.code}: {outcome.reason}"
        self.attempts.count_code(outcome.code)
        self._note_failure(batch, outcome, now_ms)
        if batch.lease != self._lease:
            self._withdraw(batch, answers)
            return
        dropped = batch.drop_stale()
        answers.dropped.extend(dropped)
        if not batch.messages:
            return
        if isinstance(outcome, Retry):
            self._try_again(batch, outcome, now_ms, answers)
        elif dropped:
            self._queue.add_first([batch])  # the bad message may be among those gone, so the others are sent once more
        elif len(batch.messages) == 1:
            answers.refused.append((batch.messages[0], outcome))
        else:
            self.attempts.halvings += 1
            self._queue.add_first(batch.halves())

    def _keep(self, batch: Batch, answers: Answers) -> None:
        """Send a batch that was not sent in time before all others, if its claims still count."""
        if batch.lease != self._lease:
            self._withdraw(batch, answers)
            return
        answers.dropped.extend(batch.drop_stale())
        if batch.messages:
            self._queue.add_first([batch])

    @staticmethod
    def _withdraw(batch: Batch, answers: Answers) -> None:
        answers.withdrawn.extend(message for message in batch.messages if not message.is_stale)
        answers.dropped.extend(message for message in batch.messages if message.is_stale)

    def _note_failure(self, batch: Batch, outcome: Retry | Refused, now_ms: int) -> None:
        """Tell the breakers of every outcome, whatever becomes of the batch: it may have been the probe."""
        if isinstance(outcome, Retry) and outcome.outage:
            self._breaker.failed(now_ms, outcome.after_ms)
            self._contrast.outage(batch.kind, now_ms)
            return
        self._breaker.succeeded()  # the API answers; it refuses the content
        if isinstance(outcome, Retry) and outcome.exhausted is not Exhausted.HALT:
            self._contrast.unknown(batch, now_ms, outcome.after_ms)
        else:
            self._contrast.answered(batch.kind)

    def _try_again(self, batch: Batch, retry: Retry, now_ms: int, answers: Answers) -> None:
        """Keep a batch for another attempt, unless its attempts are used up."""
        if retry.code != batch.code:
            batch.strikes = batch.alone = 0
            batch.has_contrast = False
        batch.strikes += 1
        batch.code = retry.code
        batch.in_doubt = batch.in_doubt or retry.in_doubt
        if len(batch.messages) == 1:
            batch.alone = batch.alone or self.attempts.calls
        if retry.limit is not None and batch.strikes >= retry.limit:
            match self._contrast.decide(batch, retry.exhausted, retry.limit):
                case Decision.REFUSE:
                    refused = Refused(retry.code, retry.reason, retry.request_id, retry.trace_id)
                    answers.refused.append((batch.messages[0], refused))
                    return
                case Decision.HALVE:
                    self.attempts.halvings += 1
                    # Parts that were not tried yet come first until one is accepted; later the halves come first, so that others are left to
                    # give contrast when the bad message is alone.
                    first = self._contrast.was_accepted_since_first_call(batch)
                    halves = self._contrast.halves(batch, retry.limit, self.attempts.calls)
                    self._queue.add_parts(halves, first=first)
                    return
                case Decision.HALT:
                    self.halt = self.halt or f"{_sentence(retry)} (tried {batch.strikes} times)"
                    return
        batch.since = self.attempts.calls
        self.attempts.retries += 1
        self._queue.rest(batch, now_ms + self._backoff.delay_ms(batch.strikes, retry.after_ms))


def _sentence(outcome: Halt | Retry) -> str:
    """Return the API's answer as a sentence, with the identifiers that its support asks for."""
    marks = [
        f"{name} {value}" for name, value in (("RequestId", outcome.request_id), ("TraceId", outcome.trace_id)) if value
    ]
    return f"Quick Audience answered {outcome.code}: {outcome.reason}" + (f" [{', '.join(marks)}]" if marks else "")
