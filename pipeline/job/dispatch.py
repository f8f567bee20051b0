"""Batches on their way to the API: sent, sent again, halved, given up. The decisions, without the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from pipeline.contracts.interfaces import SenderPool
from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Delivered, Exhausted, Halt, Outcome, Refused, Retry, Unsent
from pipeline.job.api_operation import ApiOperation
from pipeline.job.attempts import Attempts
from pipeline.job.batch import Batch, Batcher
from pipeline.job.decision import Decision
from pipeline.job.flow.bounds import DEFAULT_BOUNDS, FlowBounds
from pipeline.job.flow.control import FlowControl, RateLimits
from pipeline.job.flow.state import FlowState
from pipeline.job.halt import noted_halt
from pipeline.job.hold import Hold, HoldLog, named
from pipeline.job.in_flight import PendingMessage
from pipeline.job.judgements import Judged, Judgement
from pipeline.job.operations import Operations
from transforms.base import Kind


class Answers(NamedTuple):
    """The API's final answers about messages."""

    delivered: list[PendingMessage]
    refused: list[tuple[PendingMessage, Refused]]
    dropped: list[PendingMessage]  # not accepted, and their partition was revoked meanwhile
    withdrawn: list[PendingMessage]  # not accepted, and their claims lapsed meanwhile: to be claimed again


class Dispatch:
    """Sends messages in batches, and says which were delivered and which the API refuses for good.

    An outage holds an operation back and loses nothing. A refused batch is halved until the bad message is alone. `halt` is set where a
    person must correct something.
    """

    def __init__(
        self,
        batchers: Iterable[Batcher],
        senders: SenderPool,
        backoff: Backoff,
        *,
        hold_ms: int = 900_000,
        bounds: FlowBounds = DEFAULT_BOUNDS,
        limits: Mapping[Kind, RateLimits] = MappingProxyType({}),
    ) -> None:
        """`hold_ms` is `report.unknown_hold`: how long a refusal of unknown cause is held while the operation accepts nothing.

        `limits` are those of calls and messages a second. `bounds.most` is the number of threads of `senders`.
        """
        self.attempts = Attempts()
        self._operations = Operations(
            ApiOperation(
                batcher,
                backoff,
                hold_ms,
                self.attempts,
                FlowControl(batcher.kind, backoff, bounds, limits.get(batcher.kind)),
            )
            for batcher in batchers
        )
        self.find_judgements: Callable[[Sequence[PendingMessage], str], None] = lambda _messages, _code: None
        """Sets the judgement of each message that is refused with a code now and was before. The loop sets it."""
        self._senders = senders
        self._hold_log = HoldLog()
        self._hold_ms = hold_ms
        self._sending = 0
        self._lease = 0  # counts the leases: a batch of an earlier one has no claims any more
        self.halt = ""  # why no batch can succeed until a person corrects something; then nothing more is sent

    def add(self, messages: Iterable[PendingMessage], now_ms: int) -> None:
        """Gather messages into batches."""
        self._operations.add(messages, now_ms)

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
            operation = self._operations[batch.kind]
            operation.answered(batch)
            self.attempts.answered(batch.kind, outcome)
            self._judge(operation, batch, outcome, now_ms, answers)
        self._hold_log.note(self.holds(), now_ms)
        return answers

    def send(self, now_ms: int, until_ms: int, *, flush: bool = False) -> None:
        """Send the batches that are due; `flush` does not wait for batches to fill. Sends nothing once `halt` is set.

        No call begins at `until_ms` or later: the lease of the claims ends soon.
        """
        if self.halt:
            return
        self._operations.seal_due(now_ms, flush=flush)
        while self._senders.idle > 0 and (following := self._operations.next(now_ms)) is not None:
            self._send(*following, now_ms, until_ms)
        self._operations.look(now_ms)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is gathered, queued or being sent."""
        return not (self._sending or self._operations.has_batches)

    @property
    def sending(self) -> int:
        """Batches being sent at this moment."""
        return self._sending

    @property
    def ready(self) -> int:
        """New batches that wait for an idle sender. Those of an operation that is held back count only while no other operation works."""
        return self._operations.ready

    @property
    def queued(self) -> int:
        """Batches that wait to be sent, or to be sent again."""
        return self._operations.queued

    def flows(self, now_ms: int) -> tuple[FlowState, ...]:
        """Return the flow of each operation that has had a message."""
        return self._operations.flows(now_ms)

    def holds(self) -> tuple[Hold, ...]:
        """Return what is refused without a contrast, for each operation that refuses something."""
        return self._operations.holds()

    def withdraw(self) -> list[PendingMessage]:
        """Remove the messages that are not being sent, and return them: their claims have lapsed.

        Messages that are being sent follow in `Answers.withdrawn`, unless they are delivered.
        """
        self._lease += 1
        return self._operations.withdraw()

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of revoked partitions that are not being sent, and return them."""
        return self._operations.drop_stale()

    def _send(self, operation: ApiOperation, batch: Batch, now_ms: int, until_ms: int) -> None:
        self.attempts.resent_in_doubt += batch.take_doubt()
        self.attempts.sent(batch.kind, len(batch.messages))
        batch.lease = self._lease
        batch.call = self.attempts.calls
        batch.first_call = batch.first_call or batch.call
        self._sending += 1
        operation.sent(batch, now_ms)
        self._senders.submit(batch, batch.kind, [message.body for message in batch.messages], until_ms)

    def _judge(
        self, operation: ApiOperation, batch: Batch, outcome: Outcome | Unsent, now_ms: int, answers: Answers
    ) -> None:
        """Decide what becomes of a batch after one call."""
        if isinstance(outcome, Delivered):
            operation.accepted(batch, outcome.took_ms, now_ms)
            answers.delivered.extend(batch.messages)
            return
        if isinstance(outcome, Halt):
            self.halt = self.halt or noted_halt(batch.kind, outcome)
            return
        if isinstance(outcome, Retry) and outcome.in_doubt:
            for message in batch.messages:
                message.in_doubt = True
        dropped = batch.drop_stale()
        answers.dropped.extend(dropped)
        has_claims = batch.lease == self._lease
        if isinstance(outcome, Unsent):
            operation.unsent(batch, again=has_claims)
            answers.withdrawn.extend(() if has_claims else batch.messages)
            return
        may_be_content = isinstance(outcome, Refused) or outcome.exhausted is not Exhausted.HALT
        if isinstance(outcome, Retry) and may_be_content and has_claims and not dropped:
            self._refuse(operation, batch, outcome, now_ms, answers)
            return
        operation.failed(
            batch, outcome, now_ms
        )  # whatever becomes of the batch: it may have been the probe of an outage
        if not has_claims:
            answers.withdrawn.extend(batch.messages)
        elif not batch.messages:
            return
        elif dropped and may_be_content:
            # The bad message may be among those that were dropped, so the others are sent once more.
            operation.queue.add_again([batch])
        elif isinstance(outcome, Retry):
            self._try_again(operation, batch, outcome, now_ms)
        elif len(batch.messages) == 1:
            answers.refused.append((batch.messages[0], outcome))
        else:
            self.attempts.halvings += 1
            operation.queue.add_first(batch.halves())

    def _try_again(self, operation: ApiOperation, batch: Batch, retry: Retry, now_ms: int) -> None:
        """Keep a batch for another attempt, unless its attempts are used up."""
        batch.in_doubt = batch.in_doubt or retry.in_doubt
        batch.failures += 1
        if retry.limit is not None:
            batch.strikes = batch.strikes + 1 if retry.code == batch.code else 1
            batch.code = retry.code
            if batch.strikes >= retry.limit:
                self.halt = self.halt or noted_halt(batch.kind, retry, f" (tried {batch.strikes} times)")
                return
        self.attempts.retries += 1
        operation.try_again(batch, retry, now_ms)

    def _refuse(self, operation: ApiOperation, batch: Batch, retry: Retry, now_ms: int, answers: Answers) -> None:
        """Hold a batch that was refused until it has a contrast, or until its hold ends."""
        self.find_judgements(batch.messages, retry.code)
        no_other = f"no other {named(batch.kind)} was accepted for {self._hold_ms // 1000} s (report.unknown_hold)"
        match operation.refused(batch, retry, now_ms):
            case Decision.REFUSE:
                answers.refused.append(_condemned(batch, retry, Judgement.CONTRAST, retry.reason))
            case Decision.GIVE_UP:
                answers.refused.append(_condemned(batch, retry, Judgement.HELD, f"{retry.reason}; {no_other}"))
            case Decision.HALT:
                self.halt = self.halt or noted_halt(batch.kind, retry, f"; {no_other}")
            case Decision.HOLD | Decision.DOUBT | Decision.DIVIDE:
                self.attempts.retries += 1


def _condemned(batch: Batch, retry: Retry, judgement: Judgement, reason: str) -> tuple[PendingMessage, Refused]:
    """Note the judgement about the only message of a batch, and return the refusal."""
    (message,) = batch.messages
    message.judged = Judged(judgement, retry.code)
    return message, Refused(retry.code, reason, retry.request_id, retry.trace_id)
