"""What was accepted twice, and whether that could not be avoided (see `excuses`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from tests.soak.judge.excuses import Excuses
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement


def judge_twice(facts: Facts, judgement: Judgement, excuses: Excuses) -> None:
    """Find events that were accepted again although the job knew, or had to know, that they were accepted."""
    events = [
        biz
        for biz, batches in facts.events.items()
        for pair in pairwise(batches)
        if not excuses.is_excused(*pair, facts.sources.get(biz, ()))
    ]
    records = [facts.sources[biz][0].line.number for biz in dict.fromkeys(events) if biz in facts.sources]
    judgement.miss(
        Bar.TWICE,
        len(events),
        f"{len(events):,} acceptances of events were second ones without excuse: {_when(facts, events)}",
        records,
    )


def _when(facts: Facts, events: Sequence[str]) -> str:
    """Say in which seconds of the soak the second acceptances were, with the faults of that time."""
    seconds: Counter[int] = Counter()
    for biz in set(events):
        seconds.update((batch.accepted_ms - facts.evidence.began_ms) // 1000 for batch in facts.events[biz][1:])
    parts = []
    for second, count in seconds.most_common(5):
        at_ms = facts.evidence.began_ms + second * 1000
        near = [
            each.kind.value for each in facts.evidence.faults if each.from_ms - 1000 <= at_ms <= each.to_ms + 30_000
        ]
        parts.append(f"{count} at {second} s ({', '.join(near) or 'no fault'})")
    return "; ".join(parts)
