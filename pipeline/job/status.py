"""Where the job stands at one moment: what progress lines, the terminal and the closing summary are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.contracts.values import Partition
from pipeline.job.attempts import Attempts
from pipeline.job.books import Books


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot.

    Times in Unix ms; `lag` in records not yet read; `sending` and `queued` in batches, `waiting_elsewhere` in messages.

    `warnings` counts the messages that the event catalogue's check let pass: by reason code, and event code or rule.
    `held` is why a partition waits to be read. `stalls` counts how often a partition stood still though it had more to read.
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

    def of_the_dead(self) -> Status:
        """Return the last words of a process that died: what it did stays done, what it had in hand is now another's."""
        return replace(
            self,
            books={partition: books.handed_back() for partition, books in self.books.items()},
            lifetime={},
            lag={},
            sending=0,
            queued=0,
            waiting_elsewhere=0,
            rests_until_ms=None,
            held="",
        )

    @property
    def total(self) -> Books:
        """This process's books over all partitions."""
        return Books.total(self.books.values())
