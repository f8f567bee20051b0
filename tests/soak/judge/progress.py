"""Nothing stands still: each partition with records to read moves within 60 s of the end of what may hold it."""

from __future__ import annotations

from tests.soak.judge.clear import stood_ms
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement

LIMIT_MS = 60_000


def judge_progress(facts: Facts, judgement: Judgement) -> None:
    """Find partitions whose commit stood still for more than 60 s with records to read, beside the longest fault that may hold a partition."""
    evidence = facts.evidence
    holding = facts.holding_faults
    moved: dict[int, int] = {}  # when each partition's commit moved, or had nothing to read, for the last time
    offsets: dict[int, int] = {}
    stood: dict[int, tuple[int, int]] = {}  # the longest stand by partition, with its beginning
    for snapshot in evidence.snapshots:
        for partition, end in snapshot.ends.items():
            offset = snapshot.offsets.get(partition, 0)
            if partition not in moved or offset != offsets.get(partition, 0) or offset >= end:
                moved[partition] = snapshot.at_ms
            offsets[partition] = offset
            stands = stood_ms(holding, moved[partition], snapshot.at_ms), moved[partition]
            stood[partition] = max(stood.get(partition, (0, 0)), stands)
    judgement.figures["longest stand of a partition beside one fault that held it, s"] = (
        max((stand for stand, _ in stood.values()), default=0) // 1000
    )
    still = {partition: stand for partition, stand in stood.items() if stand[0] > LIMIT_MS}
    said = "; ".join(
        f"partition {partition} for {stand // 1000} s from {(since - evidence.began_ms) // 1000} s on"
        for partition, (stand, since) in sorted(still.items())
    )
    judgement.miss(
        Bar.PROGRESS,
        len(still),
        f"{len(still):,} partitions stood still longer than what may hold them: {said}",
        _heads(facts, still),
    )


def _heads(facts: Facts, still: dict[int, tuple[int, int]]) -> list[int]:
    """Return the records that the partitions stand at, of those that stand at the end."""
    return [
        each.line.number
        for each in facts.evidence.log
        if each.partition in still and each.offset == facts.committed.get(each.partition, 0)
    ]
