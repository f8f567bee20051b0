"""An error of unknown cause: is the content at fault, or does the API refuse everything? Only a contrast tells.

A message is refused because of such an error only after this: the message was refused alone, then a call of the same operation was
accepted, then the message was refused alone again. So an outage never fills the dead letters (docs/guarantees.md, promise 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from pipeline.contracts.retry import Backoff, Breaker
from pipeline.contracts.values import Exhausted
from pipeline.job.batch import Batch
from transforms.base import Kind


class Decision(Enum):
    """What to do with a batch whose attempts are used up."""

    TRY_AGAIN = auto()
    HALVE = auto()
    REFUSE = auto()
    HALT = auto()


class Contrast:
    """Notes which calls of each operation were accepted, and lets an operation rest while none is."""

    def __init__(self, kinds: Iterable[Kind], backoff: Backoff) -> None:
        self._breakers = {kind: Breaker(backoff) for kind in kinds}
        self._accepted: dict[Kind, int] = {}  # the number of the newest call that was accepted
        self._smallest_halved: dict[Kind, int] = {}  # messages of the smallest batch halved since then, without effect

    def may_send(self, now_ms: int) -> set[Kind]:
        """Return the operations that may be called now."""
        return {kind for kind, breaker in self._breakers.items() if breaker.may_send(now_ms)}

    def in_doubt(self) -> set[Kind]:
        """Return the operations that refuse everything at the moment, for an unknown cause."""
        return {kind for kind, breaker in self._breakers.items() if breaker.next_ms() is not None}

    def sent(self, batch: Batch, now_ms: int) -> None:
        """Note that a batch is sent as the call `batch.call`."""
        self._breakers[batch.kind].sent(now_ms)
        batch.first_call = batch.first_call or batch.call
        batch.since = batch.since or batch.call
        batch.has_contrast = 0 < batch.alone < self._accepted.get(batch.kind, 0)

    def accepted(self, batch: Batch) -> None:
        """Note that the API accepted a batch."""
        self._breakers[batch.kind].succeeded()
        self._accepted[batch.kind] = max(batch.call, self._accepted.get(batch.kind, 0))
        self._smallest_halved.pop(batch.kind, None)

    def answered(self, kind: Kind) -> None:
        """Note that the API refused a batch of an operation for a known cause: it reads what it is sent."""
        self._breakers[kind].succeeded()

    def unsent(self, kind: Kind) -> None:
        """Note that a batch was not sent after all."""
        self._breakers[kind].unsent()

    def outage(self, kind: Kind, now_ms: int) -> None:
        """Note that a call had no answer. An operation in doubt goes on resting."""
        if (breaker := self._breakers[kind]).next_ms() is not None:
            breaker.failed(now_ms, None)

    def unknown(self, batch: Batch, now_ms: int, after_ms: int | None) -> None:
        """Note an error of unknown cause. The operation rests unless a call was accepted since the batch was first sent, or last refused."""
        if self._is_doubtful(batch):
            self._breakers[batch.kind].failed(now_ms, after_ms)
        else:
            self._breakers[batch.kind].succeeded()

    def decide(self, batch: Batch, exhausted: Exhausted, limit: int) -> Decision:
        """Decide about a batch that failed `limit` times or more in a row with one code."""
        if exhausted is Exhausted.HALT:
            return Decision.HALT
        is_doubtful = self._is_doubtful(batch)
        if len(batch.messages) == 1:
            if batch.has_contrast:
                return Decision.REFUSE
        elif not is_doubtful or self._may_halve_in_doubt(batch):
            return Decision.HALVE
        if exhausted is Exhausted.ISOLATE_OR_RETRY or not is_doubtful or batch.strikes < 2 * limit:
            return Decision.TRY_AGAIN
        return Decision.HALT

    def halves(self, batch: Batch, limit: int, calls: int) -> list[Batch]:
        """Halve a batch after `calls` calls in all. Each half is halved again after a single refusal."""
        halves = batch.halves()
        for half in halves:
            half.code, half.strikes, half.since = batch.code, limit - 1, calls
        if self._is_doubtful(batch):
            self._smallest_halved[batch.kind] = len(batch.messages)
        return halves

    def was_accepted_since_first_call(self, batch: Batch) -> bool:
        """Whether the operation accepted a call that began after the batch, or the batch it is part of, was first sent."""
        return self._accepted.get(batch.kind, 0) > batch.first_call

    def _is_doubtful(self, batch: Batch) -> bool:
        """Whether nothing of the operation was accepted since the batch was first sent, or last refused: this may be an outage."""
        return self._accepted.get(batch.kind, 0) <= batch.since

    def _may_halve_in_doubt(self, batch: Batch) -> bool:
        """While nothing is accepted, only ever smaller batches are halved, seven at most: an outage refuses every part."""
        smallest = self._smallest_halved.get(batch.kind)
        return smallest is None or 2 * len(batch.messages) <= smallest
