"""Which dead letters a command is about, and the counts of them by reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.values import Partition
from pipeline.dead_letters.letter import DeadLetter


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects dead letters. An empty set, or None, selects all. `since_ms` and `until_ms` (exclusive) are of the time of the refusal, in Unix ms.

    `asked` is how a person said it: the same words, the same text.
    """

    source: str
    reasons: Collection[str] = ()
    stages: Collection[str] = ()
    api_codes: Collection[str] = ()
    origins: Collection[Partition] | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    asked: str = ""

    def has(self, letter: DeadLetter) -> bool:
        """Whether a dead letter is one of them."""
        return (
            letter.source == self.source
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.stages or letter.stage in self.stages)
            and (not self.api_codes or letter.api_code in self.api_codes)
            and (self.origins is None or letter.origin in self.origins)
            and (self.since_ms is None or letter.refused_at >= self.since_ms)
            and (self.until_ms is None or letter.refused_at < self.until_ms)
        )


@dataclass(slots=True)
class ReasonCount:
    """The dead letters of one stage, reason and API code. `example` is the newest of them."""

    letters: int
    first_ms: int
    last_ms: int
    example: DeadLetter

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        example = self.example
        return {
            "stage": example.stage,
            "reason": example.reason,
            "api_code": example.api_code,
            "letters": self.letters,
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "example": example.place,
            "text": example.text,
        }


def count_by_reason(letters: Iterable[DeadLetter]) -> list[ReasonCount]:
    """Return the counts, the commonest first."""
    found: dict[tuple[str, str, str], ReasonCount] = {}
    for letter in letters:
        key = (letter.stage, letter.reason, letter.api_code)
        if (count := found.get(key)) is None:
            found[key] = ReasonCount(1, letter.refused_at, letter.refused_at, letter)
            continue
        count.letters += 1
        count.first_ms = min(count.first_ms, letter.refused_at)
        if letter.refused_at >= count.last_ms:
            count.last_ms, count.example = letter.refused_at, letter
    return sorted(found.values(), key=lambda each: (-each.letters, each.example.stage, each.example.reason))
