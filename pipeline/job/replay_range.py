"""The start and the end of a replay.

A replay reads a range with a consumer group of its own, so the offsets of the live job do not change. The range is fixed once, when the
replay begins, and written into the group's first commit. After an interruption the same command reads on to the same end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol
from zoneinfo import ZoneInfo

from pipeline.contracts.values import Commit, Partition
from pipeline.errors import UsageError
from pipeline.job.books import Tally, decode_books, encode_books
from pipeline.setting_types.quantity import parse_duration

DEFAULT_ZONE = ZoneInfo("Asia/Shanghai")
"""The zone of a time without a zone: the zone of the logs (reference, section 8)."""

_DURATION = re.compile(r"(\d+(ms|s|m|h|d|w))+")


class OffsetQueries(Protocol):
    """The questions of a replay to the brokers."""

    def beginning_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Return the oldest offset that exists."""
        ...

    def end_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Return the offset after the newest record."""
        ...

    def offsets_for_time(self, partitions: Sequence[Partition], time_ms: int) -> Mapping[Partition, int]:
        """Return the offset of the first record at or after a time, or the end offset if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range: an offset in every partition, a time in Unix ms, or a name."""

    offset: int | None = None
    time_ms: int | None = None
    name: str = ""

    @classmethod
    def parse(cls, text: str, now_ms: int, names: Sequence[str]) -> Bound:
        """Return the bound for `1234` (an offset), `2026-11-11T00:00:00+08:00` (a time; without a zone Asia/Shanghai), `90m` (that long ago), or a name.

        Raises:
            UsageError: the text is none of these.
        """
        text = text.strip()
        if text in names:
            return cls(name=text)
        if text.isascii() and text.isdecimal() and len(text) <= 18:  # noqa: PLR2004 - fits 64 bits
            return cls(offset=int(text))
        if _DURATION.fullmatch(text):
            return cls(time_ms=now_ms - parse_duration(text))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(
                f"found {text!r}; expected an offset such as 1200, a time such as 2026-11-11T00:00:00+08:00, how long ago such as 90m, or {' or '.join(names)}"
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=DEFAULT_ZONE)
        return cls(time_ms=int(moment.timestamp() * 1000))

    def offsets(self, partitions: Sequence[Partition], queries: OffsetQueries) -> Mapping[Partition, int]:
        """Return the offset in each partition."""
        if self.offset is not None:
            return dict.fromkeys(partitions, self.offset)
        if self.time_ms is not None:
            return queries.offsets_for_time(partitions, self.time_ms)
        return queries.beginning_offsets(partitions) if self.name == "earliest" else queries.end_offsets(partitions)


FROM_NAMES = ("earliest",)
TO_NAMES = ("now",)


@dataclass(frozen=True, slots=True)
class ReplayRange:
    """The range of a replay: [from, to) by partition, the commits of the group so far, and in `gone` the offsets that retention has removed."""

    group: str
    bounds: Mapping[Partition, tuple[int, int]]
    begun: Mapping[Partition, Commit]
    is_resumed: bool
    gone: Mapping[Partition, tuple[int, int]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """The number of offsets that are left to read."""
        return sum(max(0, to - start) for start, to in self.bounds.values())

    def first_commits(self) -> dict[Partition, Commit]:
        """Return the commits to make before the first record, so that an interrupted replay keeps its range."""
        return {
            partition: Commit(start, encode_books(Tally(), 0, until))
            for partition, (start, until) in self.bounds.items()
            if partition not in self.begun
        }


def replay_group(
    source_group: str, from_text: str, to_text: str, partitions: Sequence[Partition], verb: str = "replay"
) -> str:
    """Return the name of the group of a replay, or of a redrive. The same command gives the same name."""
    asked = repr((from_text.strip(), to_text.strip(), sorted(partitions)))
    return f"{source_group}-{verb}-{sha256(asked.encode()).hexdigest()[:10]}"


def plan(
    group: str,
    from_bound: Bound,
    to_bound: Bound,
    partitions: Sequence[Partition],
    queries: OffsetQueries,
    committed: Mapping[Partition, Commit],
) -> ReplayRange:
    """Return the range that this group began and did not finish, or a new range.

    Raises:
        UsageError: the range holds nothing in any partition, or begins after it ends.
    """
    begun: dict[Partition, tuple[int, int]] = {}
    for partition, commit in committed.items():
        until = decode_books(commit.metadata)[2]
        if partition in partitions and until is not None:
            begun[partition] = (commit.offset, until)
    if any(start < until for start, until in begun.values()):
        return ReplayRange(group, begun, {partition: committed[partition] for partition in begun}, is_resumed=True)
    first, oldest = from_bound.offsets(partitions, queries), queries.beginning_offsets(partitions)
    after, newest = to_bound.offsets(partitions, queries), queries.end_offsets(partitions)
    bounds = {}
    for partition in partitions:
        start, until = max(first[partition], oldest[partition]), min(after[partition], newest[partition])
        if start < until:
            bounds[partition] = (start, until)
    if not bounds:
        there = ", ".join(
            f"{p.topic}:{p.partition} has {oldest[p]} to {newest[p] - 1}"
            for p in sorted(partitions)
            if newest[p] > oldest[p]
        )
        raise UsageError(f"the range holds no record ({there or 'the topics are empty'})")
    gone = {
        partition: (first[partition], min(oldest[partition], after[partition]))
        for partition in partitions
        if from_bound.offset is not None and first[partition] < min(oldest[partition], after[partition])
    }
    return ReplayRange(group, bounds, {}, is_resumed=False, gone=gone)


def bound_of(option: str, text: str, now: int, names: Sequence[str]) -> Bound:
    """Read where a range begins or ends. `now` is in Unix ms.

    Raises:
        UsageError: it is none; the message begins with the option.
    """
    try:
        return Bound.parse(text, now, names)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


def chosen_partitions(text: str | None, there: list[Partition]) -> list[Partition]:
    """Pick partitions by number, in every topic, or by `topic:number`.

    Raises:
        UsageError: one that is not there.
    """
    if text is None:
        return there
    chosen = []
    for part in (each.strip() for each in text.split(",")):
        topic, _, number = part.rpartition(":")
        found = [each for each in there if str(each.partition) == number and topic in {"", each.topic}]
        if not found:
            known = ", ".join(f"{each.topic}:{each.partition}" for each in there)
            raise UsageError(f"--partitions: found {part!r}; expected some of {known}")
        chosen += found
    return sorted(set(chosen))
