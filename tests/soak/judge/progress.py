"""Nothing stands still: each partition with records to read moves, and each record is finished, within 60 s of the end of what may hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.soak.evidence import CommitSnapshot, LoggedLine
from tests.soak.judge.clear import stood_ms
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement

LIMIT_MS = 60_000


class _Wait(NamedTuple):
    """How long something waited beside the longest fault, and from when on."""

    waited_ms: int
    since_ms: int


def judge_progress(facts: Facts, judgement: Judgement) -> None:
    """Find partitions whose commit stood still, and records that were not committed, for more than 60 s beside the longest fault that may hold them.

    A partition that moves by a record now and then does not stand still, and falls ever further behind: the age of the record at its head shows it.
    """
    places = {each.place: each for each in facts.evidence.log}
    stood, aged = _Longest(facts), _Longest(facts)
    moved: dict[int, int] = {}  # when each partition's commit moved, or had nothing to read, for the last time
    before: Mapping[int, int] = {}
    for snapshot in facts.evidence.snapshots:
        for partition, end in snapshot.ends.items():
            offset = snapshot.offsets.get(partition, 0)
            if partition not in moved or offset != before.get(partition, 0) or offset >= end:
                moved[partition] = snapshot.at_ms
            stood.note(partition, moved[partition], snapshot)
            if (head := places.get((partition, offset))) is not None:
                aged.note(partition, head.at_ms, snapshot, head)
        before = {partition: snapshot.offsets.get(partition, 0) for partition in snapshot.ends}
    judgement.figures["longest stand of a partition beside the longest fault, s"] = stood.most_s
    judgement.figures["oldest uncommitted record beside the longest fault, s"] = aged.most_s
    for longest, sentence in (
        (stood, "partitions stood still longer than what may hold them"),
        (aged, "partitions had records that were uncommitted for longer"),
    ):
        late = longest.over(LIMIT_MS)
        said = "; ".join(
            f"partition {partition} for {wait.waited_ms // 1000} s from {(wait.since_ms - facts.evidence.began_ms) // 1000} s on"
            for partition, wait in sorted(late.items())
        )
        judgement.miss(Bar.PROGRESS, len(late), f"{len(late):,} {sentence}: {said}", longest.heads(late))


class _Longest:
    """The longest wait of each partition."""

    def __init__(self, facts: Facts) -> None:
        self._faults = facts.holding_faults
        self._waits: dict[int, _Wait] = {}
        self._heads: dict[int, LoggedLine] = {}

    def note(self, partition: int, since_ms: int, snapshot: CommitSnapshot, head: LoggedLine | None = None) -> None:
        """Note that something waits in a partition since a moment."""
        least = self._waits.get(partition, _Wait(-1, 0))
        if snapshot.at_ms - since_ms > least.waited_ms:
            wait = _Wait(stood_ms(self._faults, since_ms, snapshot.at_ms), since_ms)
            if wait > least:
                self._waits[partition] = wait
                if head is not None:
                    self._heads[partition] = head

    @property
    def most_s(self) -> int:
        """The longest wait of all partitions, in seconds."""
        return max((wait.waited_ms for wait in self._waits.values()), default=0) // 1000

    def over(self, limit_ms: int) -> dict[int, _Wait]:
        """Return the waits that are longer."""
        return {partition: wait for partition, wait in self._waits.items() if wait.waited_ms > limit_ms}

    def heads(self, partitions: Mapping[int, _Wait]) -> list[int]:
        """Return the numbers of the records that waited."""
        return [self._heads[partition].line.number for partition in partitions if partition in self._heads]
