"""Where a partition is read from: its committed offset, a new group's start, or what is left when offsets are gone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from pipeline.contracts.values import Commit, LostToRetention, Partition, SourceEvent
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.commit_metadata import CommitMetadata
from pipeline.kafka_io.offset_lookup import beginning_offsets, end_offsets
from pipeline.kafka_io.settings import KafkaSettings

ANSWER_LIMIT_MS = 10_000
LOOK_AGAIN_S = (0.5, 1.0, 1.5)
"""An offset past the end is looked at again before it is believed: a broker just started may not know its own end yet."""

OffsetRange = tuple[int, int]
"""The oldest offset of a partition that is still there, and the one after its newest."""


class KnownTopic(NamedTuple):
    """How many partitions a topic had when the group began with it, and the broker's ID of it ("" where there is none)."""

    born: int = 0
    topic_id: str = ""


def topic_id(consumer: KafkaConsumer, topic: str) -> str:
    """Return the broker's ID of a topic as far as the consumer's own metadata knows it, at most half a minute old; "" where it does not."""
    found = consumer._cluster.topic_id(topic)  # noqa: SLF001 - kafka-python shows topic IDs nowhere else without a connection more
    return found.hex if found is not None and found.int else ""


class StartOffsets:
    """Settles where partitions are read from, with as few questions to the brokers as it takes."""

    def __init__(
        self, consumer: KafkaConsumer, settings: KafkaSettings, known: dict[str, KnownTopic], ends: dict[Partition, int]
    ) -> None:
        """`known` (by topic) is filled in for later commits, `ends` (the offset after a partition's newest record) for the lag."""
        self._consumer = consumer
        self._settings = settings
        self._known = known
        self._ends = ends

    def resolve(self, partitions: set[Partition]) -> tuple[dict[Partition, Commit], list[SourceEvent]]:
        """Return where each partition of the group starts, and what of it was lost.

        Raises:
            SourceUnavailable: offsets are gone and `kafka.on_lost_offsets` is `halt`.
            kafka.errors.KafkaError: the brokers do not answer.
        """
        starts: dict[Partition, Commit] = {}
        lost: list[SourceEvent] = []
        first_commits = {}
        found = {partition: self._committed(partition) for partition in sorted(partitions)}
        reach = self._reach(partitions)
        ids = {topic: topic_id(self._consumer, topic) for topic in {partition.topic for partition in partitions}}
        before = {topic: self._known.get(topic, KnownTopic()).topic_id for topic in ids}
        for partition, committed in found.items():
            topic = partition.topic
            note = CommitMetadata.decode(committed.metadata) if committed is not None else CommitMetadata(0, "")
            if _differ(note.topic_id or before[topic], ids[topic]):
                lost.append(self._begin_anew(partition, reach[partition]))
                self._known[topic] = KnownTopic(len(self._numbers(partition)), ids[topic])
                starts[partition] = Commit(reach[partition][0], note.metadata)
                first_commits[partition] = starts[partition]
            elif committed is None:
                starts[partition] = Commit(self._first_offset(partition, reach[partition]), "")
                first_commits[partition] = starts[partition]
            else:
                known = self._known.get(topic, KnownTopic())
                self._known[topic] = KnownTopic(known.born or note.born, ids[topic])
                offset, gone = self.within_reach(partition, committed.offset, reach[partition])
                starts[partition] = Commit(offset, note.metadata)
                lost += gone
        if first_commits:
            self._write_down(first_commits)
        return starts, lost

    def resolve_ranges(self, ranges: Mapping[Partition, tuple[int, int]]) -> dict[Partition, Commit]:
        """Return where each partition of a replay starts: where its range does, with the text of its own commit at that place.

        Raises:
            SourceUnavailable: a topic was made anew since this replay began.
            kafka.errors.KafkaError: the brokers do not answer.
        """
        starts = {}
        for partition, (start, _) in ranges.items():
            committed = self._committed(partition)
            note = CommitMetadata.decode(committed.metadata) if committed is not None else CommitMetadata(0, "")
            is_ours = committed is not None and committed.offset == start
            now = topic_id(self._consumer, partition.topic)
            if is_ours and _differ(note.topic_id, now):
                raise made_anew(partition.topic, "so the range is gone; replay the new topic with other bounds")
            self._known[partition.topic] = KnownTopic(note.born, now)
            starts[partition] = Commit(start, note.metadata if is_ours else "")
        return starts

    def within_reach(
        self, partition: Partition, offset: int, reach: OffsetRange | None = None
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
            return oldest, [self._lose(said, LostToRetention(partition, offset, oldest - 1, oldest))]
        # The topic was truncated or made anew; how many records were between is not known to anyone.
        said = f"offset {offset} of {name} lies past its end {newest}: the topic was truncated or made anew"
        return oldest, [self._lose(said, _unknown(partition, oldest))]

    def after_truncation(
        self, partition: Partition, position: int, kept_until: int | None
    ) -> tuple[int, list[SourceEvent]]:
        """Return where to go on after an unclean leader election took back what had been read: other records stand there now (KIP-320).

        `kept_until` is the first offset that differs; None where the broker cannot tell.

        Raises:
            SourceUnavailable: `kafka.on_lost_offsets` is `halt`.
        """
        resumed = kept_until if kept_until is not None else self._reach({partition})[partition][0]
        said = (
            f"{partition.topic}:{partition.partition} was truncated to offset {resumed} after it had been read to {position} "
            "(an unclean leader election)"
        )
        return resumed, [self._lose(said, _unknown(partition, resumed))]

    def metadata(self, partition: Partition) -> str:
        """Return the job's own text of the partition's last commit."""
        committed = self._committed(partition)
        return CommitMetadata.decode(committed.metadata).metadata if committed is not None else ""

    def _begin_anew(self, partition: Partition, reach: OffsetRange) -> LostToRetention:
        if self._settings.on_lost_offsets == "halt":
            raise made_anew(
                partition.topic,
                "so its offsets name other records now; set kafka.on_lost_offsets to continue to read it from its beginning, "
                f"or set the offsets of the group {self._settings.group} where reading shall go on (kafka-consumer-groups.sh --reset-offsets)",
            )
        return _unknown(partition, reach[0])

    def _lose(self, said: str, event: LostToRetention) -> LostToRetention:
        if self._settings.on_lost_offsets == "halt":
            raise SourceUnavailable(
                f"{said}; set kafka.on_lost_offsets to continue to go on at {event.resumed_at} and count what is lost"
            )
        return event

    def _reach(self, partitions: set[Partition]) -> dict[Partition, OffsetRange]:
        """Ask for all partitions at once: each question may wait behind a fetch that waits for records."""
        oldest, newest = beginning_offsets(self._consumer, partitions), end_offsets(self._consumer, partitions)
        self._ends.update(newest)
        return {partition: (oldest[partition], newest[partition]) for partition in partitions}

    def _first_offset(self, partition: Partition, reach: OffsetRange) -> int:
        """A new group starts where it is told to; a partition added to the topic later is read from its beginning, whatever the setting."""
        topic, numbers = partition.topic, self._numbers(partition)
        born = self._known.get(topic, KnownTopic()).born or self._born_by_others(topic, numbers)
        self._known[topic] = KnownTopic(born or len(numbers), topic_id(self._consumer, topic))
        oldest, newest = reach
        return oldest if self._settings.start == "earliest" or (born and partition.partition >= born) else newest

    def _numbers(self, partition: Partition) -> set[int]:
        return self._consumer.partitions_for_topic(partition.topic) or {partition.partition}

    def _born_by_others(self, topic: str, numbers: set[int]) -> int:
        for number in sorted(numbers):
            if (committed := self._committed(Partition(topic, number))) is not None and (
                born := CommitMetadata.decode(committed.metadata).born
            ):
                return born
        return 0

    def _committed(self, partition: Partition) -> OffsetAndMetadata | None:
        return self._consumer.committed(TopicPartition(*partition), metadata=True, timeout_ms=ANSWER_LIMIT_MS)

    def _write_down(self, commits: Mapping[Partition, Commit]) -> None:
        """Commit where the group begins, so that a partition without a commit is known to be new from now on."""
        self._consumer.commit(encode_commits(commits, self._known, self._consumer), timeout_ms=ANSWER_LIMIT_MS)


def encode_commits(
    commits: Mapping[Partition, Commit], known: Mapping[str, KnownTopic], consumer: KafkaConsumer
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Turn commits into kafka-python's, each with its note."""
    encoded = {}
    for partition, commit in commits.items():
        topic = known.get(partition.topic) or KnownTopic(0, topic_id(consumer, partition.topic))
        note = CommitMetadata(topic.born, commit.metadata, topic.topic_id).encode()
        encoded[TopicPartition(*partition)] = OffsetAndMetadata(commit.offset, note, -1)
    return encoded


def made_anew(topic: str, rest: str) -> SourceUnavailable:
    """Say that a topic is another one now."""
    return SourceUnavailable(f"the topic {topic} was deleted and made anew, {rest}")


def _differ(before: str, now: str) -> bool:
    return bool(before and now and before != now)


def _unknown(partition: Partition, resumed_at: int) -> LostToRetention:
    """A loss nobody can count: `last` lies before `first`."""
    return LostToRetention(partition, resumed_at, resumed_at - 1, resumed_at)
