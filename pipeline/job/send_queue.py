"""Batches that wait to be sent, in the order in which they are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from pipeline.job.batch import Batch
from pipeline.job.in_flight import PendingMessage
from transforms.base import Kind


class SendQueue:
    """New batches, batches in their back-off, and parts of batches that were halved because of an unknown error.

    Only one such part is under way at a time, so that other parts follow after a refusal.
    """

    def __init__(self) -> None:
        self._new: deque[Batch] = deque()
        self._parts: deque[Batch] = deque()
        self._resting: list[
            tuple[int, int, Batch]
        ] = []  # each with the time to try it again, in ms of the clock of `next`
        self._rested = 0
        self._is_part_out = False

    def __len__(self) -> int:
        return len(self._new) + len(self._parts) + len(self._resting)

    @property
    def new(self) -> int:
        """The number of batches that wait for an idle sender only."""
        return len(self._new)

    def add(self, batch: Batch) -> None:
        """Add a new batch behind the others."""
        self._new.append(batch)

    def add_first(self, batches: Sequence[Batch]) -> None:
        """Add batches before all other new ones, in their order."""
        self._new.extendleft(reversed(batches))

    def add_parts(self, parts: Sequence[Batch], *, first: bool) -> None:
        """Add the parts of a batch, before the other parts or behind them."""
        if first:
            self._parts.extendleft(reversed(parts))
        else:
            self._parts.extend(parts)

    def rest(self, batch: Batch, until_ms: int) -> None:
        """Keep a batch until its back-off ends."""
        self._rested += 1  # batches whose back-off ends together keep their order
        self._resting.append((until_ms, self._rested, batch))

    def next(
        self, now_ms: int, kinds: Collection[Kind], in_doubt: Collection[Kind], *, new_first: bool
    ) -> Batch | None:
        """Take out the batch of these kinds that is sent next: a part, then a batch whose back-off has ended, then a new batch.

        `in_doubt` are the kinds of which nothing is accepted at the moment. `new_first` takes a new batch of these before one that was sent
        already: if the new batch is accepted, the other ones failed because of their content.
        """
        if not self._is_part_out and (part := _first(self._parts, kinds)) is not None:
            part.is_part = self._is_part_out = True
            return part
        if new_first and in_doubt and (batch := _first(self._new, in_doubt)) is not None:
            return batch
        if due := [entry for entry in self._resting if entry[0] <= now_ms and entry[2].kind in kinds]:
            self._resting.remove(entry := min(due))
            return entry[2]
        return _first(self._new, kinds)

    def answered(self, batch: Batch) -> None:
        """Note that the answer to a batch arrived: the next part may be sent."""
        if batch.is_part:
            batch.is_part = self._is_part_out = False

    def clear(self) -> list[PendingMessage]:
        """Remove all batches and return their messages."""
        messages = [message for batch in self._all() for message in batch.messages]
        self._new.clear()
        self._parts.clear()
        self._resting.clear()
        return messages

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of partitions that were revoked, and return them."""
        dropped = [message for batch in self._all() for message in batch.drop_stale()]
        self._new = deque(batch for batch in self._new if batch.messages)
        self._parts = deque(batch for batch in self._parts if batch.messages)
        self._resting = [entry for entry in self._resting if entry[2].messages]
        return dropped

    def _all(self) -> list[Batch]:
        return [*self._new, *self._parts, *(batch for _, _, batch in self._resting)]


def _first(queue: deque[Batch], kinds: Collection[Kind]) -> Batch | None:
    """Take the first batch of these kinds out of a queue."""
    batch = next((each for each in queue if each.kind in kinds), None)
    if batch is not None:
        queue.remove(batch)
    return batch
