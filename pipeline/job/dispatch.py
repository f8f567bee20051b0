"""Batches on their way to the API: sent, sent again, halved, given up; the decisions, without the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pipeline.contracts.retry import Backoff, Breaker
from pipeline.contracts.values import Delivered, Exhausted, Halt, Outcome, Refused, Retry
from pipeline.job.batch import Batch, Batcher
from pipeline.job.in_flight import PendingMessage
from transforms.base import Kind


class SenderPool(Protocol):
    """Threads that each send one batch at a time."""

    @property
    def idle(self) -> int:
        """How many threads have nothing to do."""
        ...

    def submit(self, ticket: object, kind: Kind, messages: Sequence[bytes]) -> None:
        """Hand a batch to an idle thread; its outcome comes back with `ticket`."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait for an outcome, and return whether there is one to collect."""
        ...

    def collect(self) -> list[tuple[object, Outcome]]:
        """Return the outcomes that came in, without waiting."""
        ...


class Settled(NamedTuple):
    """What the API has finally said of some messages."""

    delivered: list[PendingMessage]
    refused: list[tuple[PendingMessage, Refused]]
    dropped: list[PendingMessage]  # not taken, and their partition was taken away meanwhile
    withdrawn: list[PendingMessage]  # not taken, and their claims lapsed meanwhile: to be claimed anew


@dataclass(slots=True)
class Attempts:
    """What the calls came to, for the summary. Counts of calls, but for `resent_in_doubt`: messages."""

    calls: int = 0
    retries: int = 0
    halvings: int = 0
    resent_in_doubt: int = 0
    last_failure: str = ""
    codes: dict[str, int] = field(default_factory=dict)


class Dispatch:
    """Takes messages that may be reported, and says which were delivered and which the API refuses for good.

    An outage holds everything back and loses nothing; a refused batch is halved until the bad message is alone; what a person must
    mend sets `halt`.
    """

    def __init__(self, batchers: Iterable[Batcher], senders: SenderPool, backoff: Backoff, breaker: Breaker) -> None:
        self._batchers = {batcher.kind: batcher for batcher in batchers}
        self._senders = senders
        self._backoff = backoff
        self._breaker = breaker
        self._doubts = {
            kind: Breaker(backoff) for kind in self._batchers
        }  # an operation rests while it refuses all for an unknown cause
        self._outbox: deque[Batch] = deque()
        self._resting: list[tuple[int, int, Batch]] = []  # each with the time to try again
        self._sequence = 0
        self._sending = 0
        self._pieces: deque[Batch] = (
            deque()
        )  # of batches halved for an unknown cause; sent one at a time, so that others follow a refusal
        self._is_piece_out = False
        self._accepted: dict[Kind, int] = {}  # the number of the newest call that was accepted, by operation
        self._halved_in_vain: dict[Kind, int] = {}  # the smallest batch halved since then
        self._tenure = 0
        self.attempts = Attempts()
        self.halt = (
            ""  # why no batch can succeed until a person mends something; set once, and then nothing more is sent
        )

    def add(self, parcels: Iterable[PendingMessage], now_ms: int) -> None:
        """Gather messages into batches."""
        for parcel in parcels:
            if (full := self._batchers[parcel.kind].add(parcel, now_ms)) is not None:
                self._outbox.append(full)

    def wait(self, timeout_s: float) -> None:
        """Wait until there is an outcome to take in, at most so long."""
        self._senders.wait(timeout_s)

    def take_in(self, now_ms: int) -> Settled:
        """Take in the outcomes that came back. The caller remembers what was delivered before it sends more."""
        settled = Settled([], [], [], [])
        try:
            outcomes = self._senders.collect()
        except BaseException:
            self._sending -= 1  # a fault in a sender; its batch does not come back
            raise
        for ticket, outcome in outcomes:
            assert isinstance(ticket, Batch)  # noqa: S101 - only batches are submitted, below
            self._sending -= 1
            self._take(ticket, outcome, now_ms, settled)
        return settled

    def send(self, now_ms: int, *, flush: bool = False) -> None:
        """Send what is due; `flush` does not wait for batches to fill. Nothing more is sent once `halt` is set."""
        if not self.halt:
            self._seal_due(now_ms, flush=flush)
            self._send(now_ms)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is gathered, queued, resting or being sent."""
        return not (
            self._sending or self._outbox or self._pieces or self._resting or any(map(len, self._batchers.values()))
        )

    @property
    def sending(self) -> int:
        """Batches being sent at this moment."""
        return self._sending

    @property
    def ready(self) -> int:
        """Batches that could be sent now, if a sender were idle and the destination up."""
        return len(self._outbox)

    @property
    def queued(self) -> int:
        """Batches that wait to be sent, or to be sent again."""
        return len(self._outbox) + len(self._pieces) + len(self._resting)

    def rests_until_ms(self) -> int | None:
        """While the destination is down: when it will be tried next."""
        return self._breaker.next_ms()

    def withdraw(self) -> list[PendingMessage]:
        """Remove, and return, everything that is not being sent: the claims have lapsed. What is being sent follows when it is not taken."""
        self._tenure += 1
        withdrawn = [parcel for batcher in self._batchers.values() if len(batcher) for parcel in batcher.seal().parcels]
        for batch in [*self._outbox, *self._pieces, *(batch for _, _, batch in self._resting)]:
            withdrawn += batch.parcels
        self._outbox.clear()
        self._pieces.clear()
        self._resting.clear()
        return withdrawn

    def drop_stale(self) -> list[PendingMessage]:
        """Remove, and return, what is not being sent of partitions that were taken away."""
        dropped: list[PendingMessage] = []
        for batcher in self._batchers.values():
            dropped += batcher.drop_stale()
        for batch in [*self._outbox, *self._pieces, *(batch for _, _, batch in self._resting)]:
            dropped += batch.drop_stale()
        self._outbox = deque(batch for batch in self._outbox if batch.parcels)
        self._pieces = deque(batch for batch in self._pieces if batch.parcels)
        self._resting = [entry for entry in self._resting if entry[2].parcels]
        return dropped

    def _seal_due(self, now_ms: int, *, flush: bool) -> None:
        for batcher in self._batchers.values():
            due_ms = batcher.due_ms()
            if due_ms is not None and (flush or due_ms <= now_ms):
                self._outbox.append(batcher.seal())

    def _send(self, now_ms: int) -> None:
        while self._senders.idle > 0 and self._breaker.may_send(now_ms):
            if (batch := self._next(now_ms)) is None:
                return
            if batch.in_doubt:
                self.attempts.resent_in_doubt += len(batch.parcels)
                batch.in_doubt = False
            batch.attempts += 1
            batch.tenure = self._tenure
            self.attempts.calls += 1
            batch.call = self.attempts.calls
            batch.first_call = batch.first_call or batch.call
            batch.since = batch.since or batch.call
            batch.has_contrast = 0 < batch.alone < self._accepted.get(batch.kind, 0)
            self._sending += 1
            self._breaker.sent(now_ms)
            self._doubts[batch.kind].sent(now_ms)
            self._senders.submit(batch, batch.kind, [parcel.body for parcel in batch.parcels])

    def _next(self, now_ms: int) -> Batch | None:
        """Take what is to be sent next: parts of halved batches, then what has rested long enough, then new batches.

        While an operation is in doubt, every other call is a new batch: an acceptance shows that the others failed for their content.
        """
        may_send = {kind for kind, doubt in self._doubts.items() if doubt.may_send(now_ms)}
        if not self._is_piece_out and (batch := _first(self._pieces, may_send)) is not None:
            batch.is_piece = self._is_piece_out = True
            return batch
        in_doubt = {kind for kind in may_send if self._doubts[kind].next_ms() is not None}
        if self.attempts.calls % 2 and in_doubt and (batch := _first(self._outbox, in_doubt)) is not None:
            return batch
        if due := [entry for entry in self._resting if entry[0] <= now_ms and entry[2].kind in may_send]:
            self._resting.remove(entry := min(due))
            return entry[2]
        return _first(self._outbox, may_send)

    def _take(self, batch: Batch, outcome: Outcome, now_ms: int, settled: Settled) -> None:
        if batch.is_piece:
            batch.is_piece = self._is_piece_out = False
        doubt = self._doubts[batch.kind]
        if isinstance(outcome, Delivered):
            self._breaker.succeeded()
            doubt.succeeded()
            self._accepted[batch.kind] = max(batch.call, self._accepted.get(batch.kind, 0))
            self._halved_in_vain.pop(batch.kind, None)
            settled.delivered.extend(batch.parcels)
            return
        if isinstance(outcome, Halt):
            self.halt = self.halt or _sentence(outcome)
            return
        self.attempts.last_failure = f"{outcome.code}: {outcome.reason}"
        self.attempts.codes[outcome.code] = self.attempts.codes.get(outcome.code, 0) + 1
        # The breaker hears of every outcome, whatever becomes of the batch: it may have been the probe.
        if isinstance(outcome, Retry) and outcome.outage:
            self._breaker.failed(now_ms, outcome.after_ms)
            if doubt.next_ms() is not None:
                doubt.failed(now_ms, None)
        elif isinstance(outcome, Retry) and outcome.exhausted is not Exhausted.HALT and self._is_doubtful(batch):
            self._breaker.succeeded()
            doubt.failed(now_ms, outcome.after_ms)
        else:
            self._breaker.succeeded()  # the API answers; what it dislikes is the content
            doubt.succeeded()
        if batch.tenure != self._tenure:
            settled.withdrawn.extend(parcel for parcel in batch.parcels if not parcel.is_stale)
            settled.dropped.extend(parcel for parcel in batch.parcels if parcel.is_stale)
            return
        dropped = batch.drop_stale()
        settled.dropped.extend(dropped)
        if not batch.parcels:
            return
        if isinstance(outcome, Refused) and dropped:
            self._outbox.appendleft(batch)  # the bad message may be among those gone: no verdict on the others
        elif isinstance(outcome, Refused):
            self._isolate(batch, outcome, settled)
        else:
            self._try_again(batch, outcome, now_ms, settled)

    def _isolate(self, batch: Batch, refused: Refused, settled: Settled) -> None:
        if len(batch.parcels) == 1:
            settled.refused.append((batch.parcels[0], refused))
            return
        self.attempts.halvings += 1
        self._outbox.extendleft(reversed(batch.halves()))

    def _is_doubtful(self, batch: Batch) -> bool:
        """Whether nothing of the operation was accepted since the batch was first sent, or last refused: it may be an outage."""
        return self._accepted.get(batch.kind, 0) <= batch.since

    def _try_again(self, batch: Batch, retry: Retry, now_ms: int, settled: Settled) -> None:
        if retry.code != batch.code:
            batch.strikes = batch.alone = 0
            batch.has_contrast = False
        batch.strikes += 1
        batch.code = retry.code
        batch.in_doubt = batch.in_doubt or retry.in_doubt
        if len(batch.parcels) == 1:
            batch.alone = batch.alone or self.attempts.calls
        if (
            retry.limit is not None
            and batch.strikes >= retry.limit
            and self._gave_up(batch, retry, retry.limit, settled)
        ):
            return
        batch.since = self.attempts.calls
        self.attempts.retries += 1
        self._sequence += 1
        due_ms = now_ms + self._backoff.delay_ms(batch.strikes, retry.after_ms)
        self._resting.append((due_ms, self._sequence, batch))

    def _gave_up(self, batch: Batch, retry: Retry, limit: int, settled: Settled) -> bool:
        """Decide about a batch whose attempts are used up; False is to go on trying.

        An error nobody knows may mean this content, or everything. A message is refused for it only by contrast: it was refused alone,
        then a call of the same operation was accepted, then it was refused alone again (design, promise 4).
        """
        is_doubtful = self._is_doubtful(batch)
        if retry.exhausted is not Exhausted.HALT:
            if len(batch.parcels) == 1:
                if batch.has_contrast:
                    refused = Refused(retry.code, retry.reason, retry.request_id, retry.trace_id)
                    settled.refused.append((batch.parcels[0], refused))
                    return True
            elif not is_doubtful or self._may_halve_in_vain(batch):
                self._halve(batch, limit, is_doubtful=is_doubtful)
                return True
            if retry.exhausted is Exhausted.ISOLATE_OR_RETRY or not is_doubtful or batch.strikes < 2 * limit:
                return False
        self.halt = self.halt or f"{_sentence(retry)} (tried {batch.strikes} times)"
        return True

    def _may_halve_in_vain(self, batch: Batch) -> bool:
        """While nothing is accepted, only ever smaller batches are halved: seven times at most, since an outage refuses every part."""
        smallest = self._halved_in_vain.get(batch.kind)
        return smallest is None or 2 * len(batch.parcels) <= smallest

    def _halve(self, batch: Batch, limit: int, *, is_doubtful: bool) -> None:
        self.attempts.halvings += 1
        halves = batch.halves()
        for half in halves:
            half.code, half.strikes, half.since = batch.code, limit - 1, self.attempts.calls
        if is_doubtful:
            self._halved_in_vain[batch.kind] = len(batch.parcels)
        if self._accepted.get(batch.kind, 0) <= batch.first_call:
            self._pieces.extend(halves)  # behind the parts that were not tried yet: one of those may be accepted
        else:
            self._pieces.extendleft(
                reversed(halves)
            )  # so that others are left to give contrast when the bad message is alone


def _first(queue: deque[Batch], kinds: set[Kind]) -> Batch | None:
    """Take the first batch of these kinds out of a queue."""
    batch = next((each for each in queue if each.kind in kinds), None)
    if batch is not None:
        queue.remove(batch)
    return batch


def _sentence(outcome: Halt | Retry) -> str:
    """Say what the API answered, with the identifiers its support asks for."""
    marks = [
        f"{name} {value}" for name, value in (("RequestId", outcome.request_id), ("TraceId", outcome.trace_id)) if value
    ]
    return f"Quick Audience answered {outcome.code}: {outcome.reason}" + (f" [{', '.join(marks)}]" if marks else "")
