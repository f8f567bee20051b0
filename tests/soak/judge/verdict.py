"""The bars of a soak, and what was found about each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Bar(StrEnum):
    """What a soak demands."""

    LOST = "0 lost"
    UNKNOWN = "0 unknown"
    TWICE = "twice: only batches in flight at a kill, and answers that were cut"
    DEAD_LETTERS = "0 dead letters that are not poison"
    DEAD_LETTERS_ONCE = "each dead letter once"
    IDENTITIES = "identities newest"
    BOOKS = "books balanced"
    MEMORY = "memory flat"
    PROGRESS = "progress within 60 s of the end of what may hold a partition"
    STORE_LOSS = "a store that lost its memory is noticed by every host"
    WORKERS = "no worker ends without a cause, and log2mq has no fault of its own"
    WRITTEN = "every line of the workload is written"
    EXITS = "ends only for what a person must mend, and in time"


MOST_RECORDS = 5
"""The records that a finding names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A bar that was missed. `records` are numbers of lines whose story shows it."""

    bar: Bar
    count: int
    sentence: str
    records: tuple[int, ...] = ()


@dataclass(slots=True)
class Judgement:
    """The figures of a soak by name, and the findings."""

    seed: int
    figures: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def miss(self, bar: Bar, count: int, sentence: str, records: Iterable[int] = ()) -> None:
        """Note that a bar was missed, unless `count` is 0."""
        if count:
            self.findings.append(Finding(bar, count, sentence, tuple(list(records)[:MOST_RECORDS])))

    @property
    def missed(self) -> list[Bar]:
        """The bars that were missed, in the order of `Bar`."""
        found = {finding.bar for finding in self.findings}
        return [bar for bar in Bar if bar in found]

    def lines(self) -> list[str]:
        """Return the judgement as text: a line a bar, and under it what was found."""
        lines = []
        for bar in Bar:
            found = [finding for finding in self.findings if finding.bar is bar]
            lines.append(f"{'MISSED' if found else 'met   '}  {bar}")
            lines += [f"          {finding.sentence}" for finding in found]
        lines.append("")
        lines += [f"{value:>12,}  {name}" for name, value in self.figures.items()]
        return lines
