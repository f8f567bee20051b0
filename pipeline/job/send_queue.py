"""Batches of one operation that wait to be sent, in the order in which they are sent."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Sequence

from pipeline.job.batch import Batch
from pipeline.job.in_flight import PendingMessage


class SendQueue:
    """New batches, batches that failed in an outage, batches in their own back-off, and parts of batches that were refused.

    Of the parts of one batch only one is under way at a time, so that others are left to give a contrast after a refusal.
    """

    def __init__(self) -> None:
        self._new: deque[Batch] = deque()
        self._again: list[Batch] = []  # in the order of their first calls
        self._parts: deque[Batch] = deque()
        self._resting: list[
            tuple[int, int, Batch]
        ] = []  # each with the time to try it again, in ms of the clock of `next`
        self._rested = 0
        self._divided: set[Batch] = set()  # batches that a part is under way of

    def __len__(self) -> int:
        return len(self._new) + len(self._again) + len(self._parts) + len(self._resting)

    @property
    def new(self) -> int:
        """The number of batches that were never sent."""
        return len(self._new)

    def add(self, batch: Batch) -> None:
        """Add a new batch behind the others."""
        self._new.append(batch)

    def add_first(self, batches: Sequence[Batch]) -> None:
        """Add batches before all new ones, in their order."""
        self._new.extendleft(reversed(batches))

    def add_again(self, batches: Iterable[Batch]) -> None:
        """Add batches that were sent before, and are sent once more before new ones."""
        for batch in batches:
            insort(self._again, batch, key=_first_call)

    def add_parts(self, parts: Sequence[Batch]) -> None:
        """Add parts of batches before all others. So the later parts are left to give a contrast when the bad message is alone."""
        self._parts.extendleft(reversed(parts))

    def rest(self, batch: Batch, until_ms: int) -> None:
        """Keep a batch until its back-off ends."""
        self._rested += 1  # batches whose back-off ends together keep their order
        self._resting.append((until_ms, self._rested, batch))

    def next(self, now_ms: int) -> Batch | None:
        """Take out the batch that is sent next: a part, a batch that failed before, then a new one."""
        if (part := self.next_part()) is not None:
            return part
        if self._again:
            return self._again.pop(0)
        if self._resting and (entry := min(self._resting))[0] <= now_ms:
            self._resting.remove(entry)
            return entry[2]
        return self.next_new()

    def next_new(self) -> Batch | None:
        """Take out the first batch that was never sent."""
        return self._new.popleft() if self._new else None

    def next_part(self) -> Batch | None:
        """Take out the first part of a batch of which no part is under way."""
        for place, part in enumerate(self._parts):
            if (root := part.root or part) not in self._divided:
                del self._parts[place]
                self._divided.add(root)
                return part
        return None

    def answered(self, batch: Batch) -> None:
        """Note that the answer to a batch arrived: the next part may be sent."""
        self._divided.discard(batch.root or batch)

    def clear(self) -> list[PendingMessage]:
        """Remove all batches and return their messages."""
        messages = [message for batch in self._all() for message in batch.messages]
        self._new.clear()
        self._again.clear()
        self._parts.clear()
        self._resting.clear()
        return messages

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of partitions that were revoked, and return them."""
        dropped = [message for batch in self._all() for message in batch.drop_stale()]
        self._new = deque(batch for batch in self._new if batch.messages)
        self._again = [batch for batch in self._again if batch.messages]
        self._parts = deque(batch for batch in self._parts if batch.messages)
        self._resting = [entry for entry in self._resting if entry[2].messages]
        return dropped

    def _all(self) -> list[Batch]:
        return [*self._new, *self._again, *self._parts, *(batch for _, _, batch in self._resting)]


def _first_call(batch: Batch) -> int:
    return batch.first_call
