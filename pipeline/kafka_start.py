"""Where a partition is read from: its committed offset, a new group's start, or what is left when offsets are gone."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import NamedTuple

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from pipeline.config.kafka_settings import KafkaSettings
from pipeline.errors import SourceUnavailable
from pipeline.values import Commit, LostToRetention, Partition, SourceEvent

ANSWER_LIMIT_MS = 10_000
LOOK_AGAIN_S = (0.5, 1.0, 1.5)
"""An offset past the end is looked at again before it is believed: a broker just started may not know its own end yet."""

_NOTE = re.compile(r"log2mq1;born=(\d{1,9});")


Reach = tuple[int, int]
"""The oldest offset of a partition that is still there, and the one after its newest."""


class CommitNote(NamedTuple):
    """What a commit says beside its offset: how many partitions the topic had when the group began with it, and the job's own text."""

    born: int
    metadata: str

    def encode(self) -> str:
        """Write it as commit metadata."""
        return f"log2mq1;born={self.born};{self.metadata}"

    @classmethod
    def decode(cls, text: str) -> CommitNote:
        """Read commit metadata; somebody else's counts as none."""
        found = _NOTE.match(text or "")
        return cls(int(found[1]), text[found.end() :]) if found else cls(0, "")


class StartResolver:
    """Settles where partitions are read from, with as few questions to the brokers as it takes."""

    def __init__(self, consumer: KafkaConsumer, settings: KafkaSettings, born: dict[str, int]) -> None:
        """`born` (topic to number of partitions) is filled in for later commits."""
        self._consumer = consumer
        self._settings = settings
        self._born = born

    def resolve(
        self, partitions: set[Partition], ranges: Mapping[Partition, tuple[int, int]] | None
    ) -> tuple[dict[Partition, Commit], list[SourceEvent]]:
        """Return where each partition starts, and what of it was lost.

        Raises:
            SourceUnavailable: offsets are gone and `kafka.on_lost_offsets` is `halt`.
            kafka.errors.KafkaError: the brokers do not answer.
        """
        starts: dict[Partition, Commit] = {}
        lost: list[SourceEvent] = []
        first_commits = {}
        found = {partition: self._committed(partition) for partition in sorted(partitions)}
        reach = {} if ranges is not None else self._reach(partitions)
        for partition, committed in found.items():
            note = CommitNote.decode(committed.metadata) if committed is not None else CommitNote(0, "")
            if ranges is not None:
                start = ranges[partition][0]
                kept = committed is not None and committed.offset == start
                starts[partition] = Commit(start, note.metadata if kept else "")
            elif committed is None:
                starts[partition] = Commit(self._first_offset(partition, reach[partition]), "")
                first_commits[partition] = starts[partition]
            else:
                self._born.setdefault(partition.topic, note.born)
                offset, gone = self.within_reach(partition, committed.offset, reach[partition])
                starts[partition] = Commit(offset, note.metadata)
                lost += gone
        if first_commits:
            self._write_down(first_commits)
        return starts, lost

    def within_reach(
        self, partition: Partition, offset: int, reach: Reach | None = None
    ) -> tuple[int, list[SourceEvent]]:
        """Return the offset if it is still there, else where reading can go on and what is lost.

        Raises:
            SourceUnavailable: it is gone and `kafka.on_lost_offsets` is `halt`.
        """
        oldest, newest = reach or self._reach({partition})[partition]
        for pause_s in LOOK_AGAIN_S:
            if offset <= newest:
                break
            time.sleep(pause_s)
            oldest, newest = self._reach({partition})[partition]
        if oldest <= offset <= newest:
            return offset, []
        name = f"{partition.topic}:{partition.partition}"
        if offset < oldest:
            said = f"offsets {offset} to {oldest - 1} of {name} are gone (retention removed them before they were read)"
            event = LostToRetention(partition, offset, oldest - 1, oldest)
        else:
            # The topic was truncated or made anew; how many records were between is not known to anyone.
            said = f"offset {offset} of {name} lies past its end {newest}: the topic was truncated or made anew"
            event = LostToRetention(partition, newest, newest - 1, oldest)
        if self._settings.on_lost_offsets == "halt":
            raise SourceUnavailable(
                f"{said}; set kafka.on_lost_offsets to continue to go on at {oldest} and count what is lost"
            )
        return oldest, [event]

    def _reach(self, partitions: set[Partition]) -> dict[Partition, Reach]:
        """Ask for all partitions at once: each question may wait behind a fetch that waits for records."""
        keys = [TopicPartition(*partition) for partition in partitions]
        oldest, newest = self._consumer.beginning_offsets(keys), self._consumer.end_offsets(keys)
        return {Partition(*key): (int(oldest[key]), int(newest[key])) for key in keys}

    def metadata(self, partition: Partition) -> str:
        """Return the job's own text of the partition's last commit."""
        committed = self._committed(partition)
        return CommitNote.decode(committed.metadata).metadata if committed is not None else ""

    def _first_offset(self, partition: Partition, reach: Reach) -> int:
        """A new group starts where it is told to; a partition added to the topic later is read from its beginning, whatever the setting."""
        known = self._consumer.partitions_for_topic(partition.topic) or {partition.partition}
        born = self._born.get(partition.topic, 0) or self._born_by_others(partition.topic, known)
        self._born[partition.topic] = born or len(known)
        oldest, newest = reach
        return oldest if self._settings.start == "earliest" or (born and partition.partition >= born) else newest

    def _born_by_others(self, topic: str, numbers: set[int]) -> int:
        for number in sorted(numbers):
            if (committed := self._committed(Partition(topic, number))) is not None and (
                born := CommitNote.decode(committed.metadata).born
            ):
                return born
        return 0

    def _committed(self, partition: Partition) -> OffsetAndMetadata | None:
        return self._consumer.committed(TopicPartition(*partition), metadata=True, timeout_ms=ANSWER_LIMIT_MS)

    def _write_down(self, commits: Mapping[Partition, Commit]) -> None:
        """Commit where the group begins, so that a partition without a commit is known to be new from now on."""
        self._consumer.commit(
            {
                TopicPartition(*partition): OffsetAndMetadata(
                    commit.offset, CommitNote(self._born[partition.topic], "").encode(), -1
                )
                for partition, commit in commits.items()
            },
            timeout_ms=ANSWER_LIMIT_MS,
        )
