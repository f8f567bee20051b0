"""Messages gathered into batches, by count, bytes and age; events and users apart, since each has its own API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.job.in_flight import PendingMessage
from transforms.base import Kind


@dataclass(slots=True, eq=False)
class Batch:
    """What one call reports, with the history that decides what happens when it is not taken."""

    kind: Kind
    parcels: list[PendingMessage]
    attempts: int = 0
    code: str = ""  # of the last failure
    strikes: int = 0  # failures in a row with that code
    in_doubt: bool = False  # an attempt's answer was lost
    tenure: int = 0  # under which unbroken lease it was sent
    call: int = 0  # the number of its last call
    first_call: int = 0  # the number of its first call; kept by the halves of a batch
    since: int = 0  # how many calls there were when it was first sent, or last refused for an unknown cause
    alone: int = 0  # how many calls there were when its only message was first refused for the unknown cause `code`
    has_contrast: bool = False  # a call begun after that was accepted before this batch was sent again
    is_piece: bool = False  # part of a batch that is halved for an unknown cause

    def drop_stale(self) -> list[PendingMessage]:
        """Remove messages whose partition was taken away, and return them; failures so far say nothing of a batch that has changed."""
        stale = [parcel for parcel in self.parcels if parcel.is_stale]
        if stale:
            self.parcels = [parcel for parcel in self.parcels if not parcel.is_stale]
            self.code, self.strikes = "", 0
        return stale

    def halves(self) -> list[Batch]:
        """Split in two, to find which message the API refuses."""
        middle = len(self.parcels) // 2
        return [
            Batch(self.kind, part, first_call=self.first_call, in_doubt=self.in_doubt)
            for part in (self.parcels[:middle], self.parcels[middle:])
        ]


@dataclass(slots=True)
class Batcher:
    """Gathers one kind of message. `most_bytes` counts the JSON of the messages, before form encoding; a single larger one goes alone."""

    kind: Kind
    most_messages: int
    most_bytes: int
    most_age_ms: int
    _parcels: list[PendingMessage] = field(default_factory=list)
    _bytes: int = 0
    _since_ms: int = 0

    def add(self, parcel: PendingMessage, now_ms: int) -> Batch | None:
        """Take a message in; return the batch that it completed, if it did."""
        size = len(parcel.body) + 1
        full = self.seal() if self._parcels and self._bytes + size > self.most_bytes else None
        if not self._parcels:
            self._since_ms = now_ms
        self._parcels.append(parcel)
        self._bytes += size
        if full is None and len(self._parcels) >= self.most_messages:
            return self.seal()
        return full

    def due_ms(self) -> int | None:
        """When the oldest message has waited long enough."""
        return self._since_ms + self.most_age_ms if self._parcels else None

    def seal(self) -> Batch:
        """Return what was gathered, full or not, and begin anew."""
        batch = Batch(self.kind, self._parcels)
        self._parcels, self._bytes = [], 0
        return batch

    def drop_stale(self) -> Sequence[PendingMessage]:
        """Remove messages whose partition was taken away, and return them."""
        stale = [parcel for parcel in self._parcels if parcel.is_stale]
        if stale:
            self._parcels = [parcel for parcel in self._parcels if not parcel.is_stale]
            self._bytes = sum(len(parcel.body) + 1 for parcel in self._parcels)
        return stale

    def __len__(self) -> int:
        return len(self._parcels)
