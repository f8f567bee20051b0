"""The state of the job at one moment, for progress lines, the terminal and the closing summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.contracts.values import Partition
from pipeline.job.attempts import Attempts
from pipeline.job.books import Books
from pipeline.job.hold import Hold


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot.

    Times are in ms of a clock that never goes back; its zero means nothing. `lag` is in records not yet read, `sending` and `queued` in batches,
    `waiting_elsewhere` in messages.

    `warnings` counts the messages that the event catalogue accepts with a warning, by reason code, and by event code or rule.
    `held` is the reason why a partition is paused until a record can be decoded. `holds` are the messages that the API refuses, while
    nothing tells whether their content is at fault. `stalls` counts partitions that stood still although they had records to read.
    `head_age_ms` is how long the oldest head has been the same: the lowest unfinished offset of a partition.
    """

    at_ms: int
    books: Mapping[Partition, Books]
    lifetime: Mapping[Partition, Books] = field(default_factory=dict)
    lag: Mapping[Partition, int] = field(default_factory=dict)
    attempts: Attempts = field(default_factory=Attempts)
    sending: int = 0
    queued: int = 0
    waiting_elsewhere: int = 0
    rests_until_ms: int | None = None
    warnings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stopping: bool = False
    held: str = ""
    stalls: int = 0
    head_age_ms: int = 0
    holds: tuple[Hold, ...] = ()

    def ended(self) -> Status:
        """Return the last status of a process: its records in flight are returned."""
        return replace(self, books={partition: books.ended() for partition, books in self.books.items()})

    def former(self) -> Status:
        """Return what stays of a worker that has another one in its place: its counts, and nothing of its present state."""
        return replace(
            self.ended(),
            lifetime={},
            lag={},
            sending=0,
            queued=0,
            waiting_elsewhere=0,
            rests_until_ms=None,
            held="",
            stopping=False,
            head_age_ms=0,
            holds=(),
        )

    @property
    def total(self) -> Books:
        """The books of this process over all partitions."""
        return Books.total(self.books.values())
