"""The state of the job at one moment, for progress lines, the terminal and the closing summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Partition
from pipeline.job.attempts import Attempts
from pipeline.job.books import Books
from pipeline.job.flow.state import FlowState
from pipeline.job.hold import Hold


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot.

    Times are in ms of a clock that never goes back; its zero means nothing. `lag` is in records not yet read, `sending` and `queued` in batches,
    `waiting_elsewhere` in messages.

    `flows` says for each operation how many calls are under way, and what slows it down.
    `warnings` counts the messages that the event catalogue accepts with a warning, by reason code, and by event code or rule.
    `paused` is the number of partitions that are not read for now, by reason; a partition may have several. `held` says what a record waits
    for that cannot be decoded yet, or why the whole job waits for the dedup store. `holds` are the messages that the API refuses, while nothing
    tells whether their content is at fault.
    `stalls` counts partitions that stood still although they had records to read.
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
    flows: tuple[FlowState, ...] = ()
    warnings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stopping: bool = False
    paused: Mapping[PauseReason, int] = field(default_factory=dict)
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
            flows=(),
            paused={},
            held="",
            stopping=False,
            head_age_ms=0,
            holds=(),
        )

    @property
    def total(self) -> Books:
        """The books of this process over all partitions."""
        return Books.total(self.books.values())
