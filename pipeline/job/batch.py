"""Messages gathered into batches by count, bytes and age. Events and users have batches of their own, since each has its own API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.job.in_flight import PendingMessage
from transforms.base import Kind


@dataclass(slots=True, eq=False)
class Batch:
    """The messages of one call, with the history of its attempts."""

    kind: Kind
    messages: list[PendingMessage]
    attempts: int = 0
    code: str = ""  # of the last failure
    strikes: int = 0  # failures in a row with that code
    in_doubt: bool = False  # an attempt's answer was lost
    lease: int = 0  # the number of the unbroken lease under which it was sent
    call: int = 0  # the number of its last call
    first_call: int = 0  # the number of its first call; kept by the halves of a batch
    since: int = 0  # the number of calls when it was first sent, or last refused for an unknown cause
    alone: int = 0  # the number of calls when its only message was first refused for the unknown cause `code`
    has_contrast: bool = False  # a later call than `alone` was accepted before this batch was sent again
    is_part: bool = False  # under way as a part of a batch that was halved because of an unknown error

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of partitions that were revoked, and return them. The batch has changed, so its failures no longer count."""
        stale = [message for message in self.messages if message.is_stale]
        if stale:
            self.messages = [message for message in self.messages if not message.is_stale]
            self.code, self.strikes = "", 0
        return stale

    def halves(self) -> list[Batch]:
        """Split the batch in two, to find the message that the API refuses."""
        middle = len(self.messages) // 2
        return [
            Batch(self.kind, part, first_call=self.first_call, in_doubt=self.in_doubt)
            for part in (self.messages[:middle], self.messages[middle:])
        ]


@dataclass(slots=True)
class Batcher:
    """Gathers messages of one kind. `most_bytes` counts the JSON of the messages, before form encoding; a larger message makes a batch of its own."""

    kind: Kind
    most_messages: int
    most_bytes: int
    most_age_ms: int
    _messages: list[PendingMessage] = field(default_factory=list)
    _bytes: int = 0
    _since_ms: int = 0

    def add(self, message: PendingMessage, now_ms: int) -> Batch | None:
        """Add a message; return the batch that is full now, if one is."""
        size = len(message.body) + 1
        full = self.seal() if self._messages and self._bytes + size > self.most_bytes else None
        if not self._messages:
            self._since_ms = now_ms
        self._messages.append(message)
        self._bytes += size
        if full is None and len(self._messages) >= self.most_messages:
            return self.seal()
        return full

    def due_ms(self) -> int | None:
        """The time at which the oldest message has waited long enough, in ms of the clock of `add`."""
        return self._since_ms + self.most_age_ms if self._messages else None

    def seal(self) -> Batch:
        """Return the messages gathered so far as a batch, and begin a new one."""
        batch = Batch(self.kind, self._messages)
        self._messages, self._bytes = [], 0
        return batch

    def drop_stale(self) -> Sequence[PendingMessage]:
        """Remove the messages of partitions that were revoked, and return them."""
        stale = [message for message in self._messages if message.is_stale]
        if stale:
            self._messages = [message for message in self._messages if not message.is_stale]
            self._bytes = sum(len(message.body) + 1 for message in self._messages)
        return stale

    def __len__(self) -> int:
        return len(self._messages)
