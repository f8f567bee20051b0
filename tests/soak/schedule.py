"""The schedule of a soak: which fault happens when. It is a pure function of the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.soak.kinds import NATURES, FaultKind, may_overlap

QUIET_S = 15.0
"""The time without a fault at the beginning: the job starts, and reports its first events."""

PAUSE_S = (8.0, 20.0)
"""The shortest and the longest time without a fault between two blocks. A block is one fault, or two at once."""

TWO_AT_ONCE = 0.3
"""The share of blocks with two faults."""

LATEST = 0.9
"""The second fault of a block begins at the latest when so much of the first one has passed."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault of the schedule. Times in seconds from the soak's start. `choice` is a random number from which the fault takes its own decisions."""

    kind: FaultKind
    starts_s: float
    lasts_s: float
    choice: int

    @property
    def ends_s(self) -> float:
        """When the fault ends."""
        return self.starts_s + self.lasts_s


def plan(seed: int, seconds: float, kinds: Sequence[FaultKind]) -> tuple[PlannedFault, ...]:
    """Return the faults of a soak of so many seconds, in the order of their starts.

    Every kind comes once before one comes a second time. No fault ends after `seconds`. Two faults overlap only where `may_overlap` says so.
    """
    if not kinds:
        return ()
    chance = random.Random(seed)
    deck = _deck(chance, kinds)
    planned: list[PlannedFault] = []
    now_s = QUIET_S
    waiting: list[FaultKind] = []
    while True:
        first = waiting.pop() if waiting else next(deck)
        block = [_fault(chance, first, now_s)]
        if chance.random() < TWO_AT_ONCE:
            second = next(deck)
            if not may_overlap(first, second):
                waiting.append(second)
            else:
                block.append(_fault(chance, second, now_s + chance.uniform(0, LATEST * block[0].lasts_s)))
        ends_s = max(fault.ends_s for fault in block)
        if ends_s > seconds:
            return tuple(sorted(planned, key=lambda fault: fault.starts_s))
        planned += block
        now_s = ends_s + chance.uniform(*PAUSE_S)


def _deck(chance: random.Random, kinds: Sequence[FaultKind]) -> Iterator[FaultKind]:
    """Yield the kinds in random order, all of them again and again."""
    while True:
        yield from chance.sample(kinds, len(kinds))


def _fault(chance: random.Random, kind: FaultKind, starts_s: float) -> PlannedFault:
    nature = NATURES[kind]
    lasts_s = chance.uniform(nature.shortest_s, nature.longest_s)
    return PlannedFault(kind, round(starts_s, 2), round(lasts_s, 2), chance.randrange(1 << 30))
