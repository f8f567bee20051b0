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
    in_doubt: bool = False  # an attempt's answer was lost
    lease: int = 0  # the number of the unbroken lease under which it was sent
    call: int = 0  # the number of its last call
    first_call: int = 0  # the number of its first call
    failures: int = 0  # other than refusals
    code: str = ""  # of the last refusal, or of the last other failure whose number has a limit
    strikes: int = 0  # failures in a row with that code, other than refusals
    alone: int = 0  # refusals of its only message with that code, a later call being accepted after each but the last
    refused_call: int = 0  # the number of calls when it was last refused; 0 if it never was
    refused_size: int = 0  # the number of its messages then
    refused_ms: int | None = None  # when it was first refused, if no later call has been accepted
    doubted_ms: int | None = (
        None  # since when its only message is in doubt: refused with a contrast, with a code that says nothing of the content
    )
    has_contrast: bool = False  # a call that began after its last refusal was accepted before it was sent again
    is_repeated: bool = False  # sent again whole after an outage
    whole: Batch | None = None  # the batch that this part was taken of, and comes back to when it is refused
    sibling: Batch | None = None  # the other half
    root: Batch | None = None  # the batch that was halved, and its halves, down to this one
    parent: Batch | None = None  # the refused batch that this one is a piece of
    accepted_size: int = 0  # the number of messages of its pieces that were accepted

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of partitions that were revoked, and return them. The batch has changed, so its failures no longer count."""
        stale = [message for message in self.messages if message.is_stale]
        if stale:
            self.messages = [message for message in self.messages if not message.is_stale]
            self.code, self.strikes, self.alone = "", 0, 0
        return stale

    def take_doubt(self) -> int:
        """Return how many messages the next call sends once more because an answer was lost.

        Such messages may be in a new batch: they were claimed anew after their lease had lapsed.
        """
        if not self.first_call and self.root is None:
            return sum([message.in_doubt for message in self.messages])
        in_doubt, self.in_doubt = self.in_doubt, False
        return len(self.messages) if in_doubt else 0

    def halves(self) -> list[Batch]:
        """Split the batch in two, to find the message that the API refuses."""
        first, second = halves = self.pieces((len(self.messages) + 1) // 2)
        first.sibling, second.sibling = second, first
        return halves

    def pieces(self, size: int) -> list[Batch]:
        """Cut the batch into pieces of at most `size` messages."""
        return [
            Batch(
                self.kind,
                self.messages[begin : begin + size],
                in_doubt=self.in_doubt,
                root=self.root or self,
                parent=self,
                is_repeated=True,
                refused_ms=self.refused_ms,
                code=self.code,
            )
            for begin in range(0, len(self.messages), size)
        ]

    def part(self, size: int) -> Batch:
        """Take the first messages out of the batch, as a batch that comes back when it is refused."""
        part = Batch(
            self.kind,
            self.messages[:size],
            in_doubt=self.in_doubt,
            whole=self,
            root=self.root or self,
            refused_ms=self.refused_ms,
            code=self.code,
        )
        del self.messages[:size]
        return part


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
