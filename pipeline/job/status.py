"""The state of the job at one moment, for progress lines, the terminal and the closing summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Partition, SourceState, StoreUsage
from pipeline.job.attempts import Attempts
from pipeline.job.books import Books
from pipeline.job.counts import Counts
from pipeline.job.flow.state import FlowState
from pipeline.job.hold import Hold

UNKNOWN_USAGE = StoreUsage()
NO_SOURCE = SourceState(is_member=False, is_away=False)


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
    `oldest_ms` is Kafka's time of the oldest unfinished record of each partition owned, in Unix ms, as far as it is known.
    `unfinished_bytes` is the weight of the records in flight. `dead_share` is the share of dead letters in the window of the limit.
    `source` says how the source stands with its brokers, `dead_letters_away` whether the dead-letter topic takes nothing,
    and `store_away` whether the job waits for the dedup store, as `held` says. `halt` is why a person must correct something: the job ends.
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
    counts: Counts = field(default_factory=Counts)
    oldest_ms: Mapping[Partition, int] = field(default_factory=dict)
    unfinished_bytes: int = 0
    dead_share: float = 0.0
    usage: StoreUsage = UNKNOWN_USAGE
    source: SourceState = NO_SOURCE
    dead_letters_away: bool = False
    store_away: bool = False
    halt: str = ""

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
            oldest_ms={},
            unfinished_bytes=0,
            dead_share=0.0,
            usage=UNKNOWN_USAGE,
            source=NO_SOURCE,
            dead_letters_away=False,
            store_away=False,
            halt="",
        )

    @property
    def total(self) -> Books:
        """The books of this process over all partitions."""
        return Books.total(self.books.values())
