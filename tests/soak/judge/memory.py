"""The memory of a process does not grow with time."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from tests.soak.evidence import MemorySample
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement

WARM_UP_MS = 30_000
"""A process loads its modules and fills its buffers."""

LIVED_MS = 75_000
"""The growth of a process is judged from this age on: most processes of a soak live longer, and few as long as three minutes."""

MOST_GROWTH = 24 << 20
"""The most bytes that the last quarter of a process's life may have more than the first quarter, by their medians.

What an outage leaves in a process, after its buffers were full once, is some 15 MiB, whatever the process's age. So a life of 100 s shows a leak of
0.5 MiB/s, and a life of 25 minutes one of 24 KiB/s.
"""

MOST_BYTES = 192 << 20
"""The most bytes that a process may have at any time. `limits.in_flight` is 32 MiB."""


def judge_memory(facts: Facts, judgement: Judgement) -> None:
    """Find processes that grow, and processes that are large."""
    samples: dict[tuple[str, int], list[MemorySample]] = defaultdict(list)
    for sample in facts.evidence.memory:
        samples[sample.process, sample.pid].append(sample)
    ages_s = [(life[-1].at_ms - life[0].at_ms) // 1000 for life in samples.values() if is_judged(life)]
    judgement.figures["lives whose growth is judged"] = len(ages_s)
    judgement.figures["the longest of them, s"] = max(ages_s, default=0)
    grown, large = [], []
    for life in samples.values():
        most = max(each.used_bytes for each in life)
        judgement.figures["most memory of a process, MiB"] = max(
            judgement.figures.get("most memory of a process, MiB", 0), most >> 20
        )
        if most > MOST_BYTES:
            large.append(f"{life[0].process} ({life[0].pid}) {most >> 20} MiB")
        growth = growth_of(life)
        if growth > MOST_GROWTH:
            grown.append(
                f"{life[0].process} ({life[0].pid}) by {growth >> 20} MiB in {(life[-1].at_ms - life[0].at_ms) // 1000} s"
            )
    judgement.miss(Bar.MEMORY, len(grown), f"{len(grown):,} processes grew: {'; '.join(grown[:4])}")
    judgement.miss(
        Bar.MEMORY,
        len(large),
        f"{len(large):,} processes took more than {MOST_BYTES >> 20} MiB: {'; '.join(large[:4])}",
    )


def growth_of(life: list[MemorySample]) -> int:
    """Return the growth of a process in bytes, from the first to the last quarter of its life after the warm-up; 0 for a short life."""
    if not is_judged(life):
        return 0
    warm = _warm(life)
    quarter = len(warm) // 4
    first = median(each.used_bytes for each in warm[:quarter])
    return int(median(each.used_bytes for each in warm[-quarter:]) - first)


def is_judged(life: list[MemorySample]) -> bool:
    """Whether a life is long enough to say whether the process grows."""
    return life[-1].at_ms - life[0].at_ms >= LIVED_MS and len(_warm(life)) >= 8


def _warm(life: list[MemorySample]) -> list[MemorySample]:
    return [each for each in life if each.at_ms - life[0].at_ms >= WARM_UP_MS]
