"""The accounts of a demo, side by side: what the generator expects, what the job's books say, what the stand-in took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.emulator.samples.expected import ExpectedBooks
from pipeline.emulator.samples.generate import SampleKind
from pipeline.job.books import Books


@dataclass(slots=True)
class SourceResult:
    """One source's three accounts."""

    expected: ExpectedBooks
    books: Books
    accepted: Mapping[tuple[str, str], int]  # event code and outBizId to how often the stand-in took it
    reasons: Mapping[str, int]  # dead letters by reason

    @property
    def lost(self) -> int:
        """Events expected that the stand-in never took."""
        return len(self.expected.events - self.accepted.keys())

    @property
    def account(self) -> Books:
        """The job's books, with what was reported before the kill and recognised after it as what it is: reported."""
        redelivered = self.books.redelivered
        return replace(
            self.books,
            reported=self.books.reported + redelivered,
            duplicate=self.books.duplicate - redelivered,
            redelivered=0,
        )

    @property
    def unknown(self) -> int:
        """Events taken that nobody expected, and by how many records the job's account differs from the expected one."""
        found, meant = self.account, self.expected
        pairs = (
            (found.read, meant.read), (found.reported, meant.reported), (found.duplicate, meant.duplicate),
            (found.filtered, meant.filtered), (found.dead_lettered, meant.dead_letters), (found.in_flight, 0),
        )  # fmt: skip
        return len(self.accepted.keys() - meant.events) + sum(abs(one - other) for one, other in pairs)

    @property
    def more_than_once(self) -> int:
        """Events the stand-in took more than once: sent again because nobody knew whether they had arrived."""
        return sum(count > 1 for count in self.accepted.values())


@dataclass(slots=True)
class DemoResult:
    """What the demo came to."""

    sources: dict[SampleKind, SourceResult] = field(default_factory=dict)
    killed_pid: int = 0
    outage_calls: int = 0
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Events lost, in all."""
        return sum(source.lost for source in self.sources.values())

    @property
    def unknown(self) -> int:
        """Events and records unexplained, in all."""
        return sum(source.unknown for source in self.sources.values())
