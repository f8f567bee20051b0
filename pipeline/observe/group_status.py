"""How a source stands, from what its group has committed: no job need run, and none is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.contracts.values import Commit, Partition
from pipeline.dead_letters.headers import DeadLetterHeader
from pipeline.dead_letters.letter import header_text
from pipeline.job.books import Books, decode_books, decode_store_id
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.group_members import GroupState
from pipeline.kafka_io.offset_times import OffsetTimes
from pipeline.kafka_io.settings import KafkaSettings

MOST_DEAD_LETTERS = 10_000
"""So many of the newest records of the dead-letter topic are counted by reason."""


class PartitionStatus(NamedTuple):
    """How one partition stands.

    `committed` is None where the group has committed nothing. `lag` is the number of offsets that are not finished: from the commit, or from the
    oldest record, to the end. `gone` of them were removed by retention. `oldest_ms` is the age of the first of them in ms, None where there is none or
    it has no timestamp. `books` are the lifetime books.
    """

    committed: int | None
    end: int
    lag: int
    gone: int
    oldest_ms: int | None
    books: Books

    def as_dict(self) -> dict[str, Any]:
        """Return every figure by name. Of the books those are left out that a commit never has: records in flight and returned."""
        books = {name: count for name, count in self.books.as_dict().items() if name not in {"in_flight", "returned"}}
        return {**self._asdict(), "books": books}


class DeadLetterCounts(NamedTuple):
    """The dead letters of a source by reason, among the newest `looked_at` records of the topic. `exists` is whether there is such a topic."""

    topic: str
    exists: bool
    looked_at: int
    by_reason: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A source at one moment. `stores` are the identities of the dedup stores that the commits name."""

    source: str
    group: str
    members: GroupState
    partitions: Mapping[Partition, PartitionStatus]
    dead_letters: DeadLetterCounts
    stores: tuple[str, ...] = field(default=())

    @property
    def total(self) -> PartitionStatus:
        """The sums over all partitions, and the greatest age."""
        rows = self.partitions.values()
        return PartitionStatus(
            None,
            sum(row.end for row in rows),
            sum(row.lag for row in rows),
            sum(row.gone for row in rows),
            max((row.oldest_ms for row in rows if row.oldest_ms is not None), default=None),
            Books.total(row.books for row in rows),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        total = self.total.as_dict()
        return {
            "source": self.source,
            "group": self.group,
            "state": self.members.state,
            "members": [
                {**member._asdict(), "partitions": [f"{each.topic}:{each.partition}" for each in member.partitions]}
                for member in self.members.members
            ],
            "partitions": [{**each._asdict(), **row.as_dict()} for each, row in self.partitions.items()],
            "total": {name: total[name] for name in ("lag", "gone", "oldest_ms", "books")},
            "dead_letters": self.dead_letters._asdict(),
            "stores": list(self.stores),
        }


class GroupObserver:
    """Asks the brokers how a source stands, as often as wanted. `observe_group` makes one."""

    def __init__(
        self,
        source: str,
        settings: KafkaSettings,
        dead_letter_topic: str,
        clock: Callable[[], int],
        topics: KafkaAdmin,
        times: OffsetTimes,
        dead: KafkaAdmin,
    ) -> None:
        """`clock` returns Unix ms. `dead` asks about the dead-letter topic."""
        self._source, self._settings, self._dead_topic, self._clock = source, settings, dead_letter_topic, clock
        self._topics, self._times, self._dead = topics, times, dead
        self._dead_end: dict[Partition, int] = {}
        self._dead_letters = DeadLetterCounts(dead_letter_topic, exists=False, looked_at=0, by_reason={})

    def look(self) -> GroupStatus:
        """Return how the source stands now.

        Raises:
            SourceUnavailable: a topic of the source does not exist, or no broker answers.
        """
        partitions, group = self._topics.partitions(), self._settings.group
        commits = self._topics.committed(group, partitions)
        starts, ends = self._topics.beginning_offsets(partitions), self._topics.end_offsets(partitions)
        first = {each: commits[each].offset if each in commits else starts[each] for each in partitions}
        behind = {each: max(first[each], starts[each]) for each in partitions if first[each] < ends[each]}
        now_ms, times = self._clock(), self._times.at(behind)
        rows = {
            each: PartitionStatus(
                commits[each].offset if each in commits else None,
                ends[each],
                max(0, ends[each] - first[each]),
                max(0, starts[each] - first[each]),
                max(0, now_ms - times[each]) if each in times else None,
                _lifetime(commits[each]) if each in commits else Books(),
            )
            for each in partitions
        }
        stores = {decode_store_id(commit.metadata) for commit in commits.values()} - {""}
        members = self._topics.group(group)
        return GroupStatus(self._source, group, members, rows, self._count_dead_letters(), tuple(sorted(stores)))

    def _count_dead_letters(self) -> DeadLetterCounts:
        """Count the newest dead letters again if there are more than at the last time."""
        if not self._dead.exists(self._dead_topic):
            return DeadLetterCounts(self._dead_topic, exists=False, looked_at=0, by_reason={})
        end = self._dead.end_offsets(self._dead.partitions())
        if end != self._dead_end:
            reasons: Counter[str] = Counter()
            looked_at = 0
            for record in self._dead.latest_records(MOST_DEAD_LETTERS):
                looked_at += 1
                if header_text(record, DeadLetterHeader.SOURCE) == self._source:
                    reasons[header_text(record, DeadLetterHeader.REASON)] += 1
            self._dead_end = end
            self._dead_letters = DeadLetterCounts(
                self._dead_topic, exists=True, looked_at=looked_at, by_reason=dict(reasons.most_common())
            )
        return self._dead_letters


@contextmanager
def observe_group(
    source: str,
    settings: KafkaSettings,
    dead_letter_topic: str,
    environment: Mapping[str, str],
    clock: Callable[[], int],
) -> Iterator[GroupObserver]:
    """Connect for as long as the block lasts. `clock` returns Unix ms.

    Raises:
        SourceUnavailable: no broker answers.
    """
    dead_settings = settings.model_copy(update={"topics": (dead_letter_topic,), "topic_pattern": None})
    with (
        KafkaAdmin(settings, environment) as topics,
        OffsetTimes(settings, environment) as times,
        KafkaAdmin(dead_settings, environment) as dead,
    ):
        yield GroupObserver(source, settings, dead_letter_topic, clock, topics, times, dead)


def _lifetime(commit: Commit) -> Books:
    tally, lost, _ = decode_books(commit.metadata)
    return Books.of(tally, lost=lost)
