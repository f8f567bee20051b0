"""The offset from which a partition is read: its committed offset, the start of a new group, or the oldest offset left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from kafka import KafkaConsumer, OffsetAndMetadata

from pipeline.contracts.values import Commit, LostToRetention, Partition, SourceEvent
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.commit_metadata import CommitMetadata, encode_commits
from pipeline.kafka_io.known_topics import KnownTopic, known_topic_id
from pipeline.kafka_io.leader_epochs import UNKNOWN, LeaderEpochs
from pipeline.kafka_io.offset_lookup import beginning_offsets, committed_offsets, end_offsets
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.settings import KafkaSettings

ANSWER_LIMIT_MS = 10_000
LOOK_AGAIN_S = (0.5, 1.0, 1.5)
"""The pauses before an offset past the end is checked again: a broker that just started may not know its own end yet."""

NO_LOSS: Sequence[SourceEvent] = ()
"""The events where no offset is lost."""

OffsetRange = tuple[int, int]
"""The oldest offset of a partition that is still there, and the offset after its newest record."""


class StartOffsets:
    """Finds the start offsets of partitions, with few questions to the brokers."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        settings: KafkaSettings,
        known_topics: dict[str, KnownTopic],
        epochs: LeaderEpochs,
        ends: dict[Partition, int],
    ) -> None:
        """Begin. The methods add to `known_topics` (by topic, for later commits), to `epochs`, and to `ends` (the offset after the newest record, for the lag)."""
        self._consumer = consumer
        self._settings = settings
        self._known_topics = known_topics
        self._epochs = epochs
        self._ends = ends

    def resolve(self, partitions: set[Partition]) -> tuple[dict[Partition, Commit], list[SourceEvent]]:
        """Return the start of each partition of the group, and the losses as events.

        Raises:
            SourceUnavailable: offsets are gone and `kafka.on_lost_offsets` is `halt`.
            kafka.errors.KafkaError: the brokers do not answer.
        """
        starts: dict[Partition, Commit] = {}
        lost: list[SourceEvent] = []
        first_commits = {}
        commits = self._committed(partitions)
        ranges = self._ask_ranges(partitions)
        before = {each.topic: self._id_before(each.topic) for each in partitions}
        for partition in sorted(partitions):
            committed, topic = commits.get(partition), partition.topic
            decoded = CommitMetadata.decode(committed.metadata) if committed is not None else CommitMetadata(0, "")
            now = known_topic_id(self._consumer, topic, decoded.topic_id, self._id_before(topic))
            if _differ(decoded.topic_id or before[topic], now):
                lost.append(self._start_recreated(partition, ranges[partition]))
                self._known_topics[topic] = KnownTopic(len(self._numbers(partition)), now)
                starts[partition] = Commit(ranges[partition][0], decoded.metadata)
                first_commits[partition] = starts[partition]
            elif committed is None:
                starts[partition] = Commit(self._first_offset(partition, ranges[partition]), "")
                first_commits[partition] = starts[partition]
            else:
                known_topic = self._known_topics.get(topic, KnownTopic())
                self._known_topics[topic] = KnownTopic(known_topic.first_count or decoded.first_count, now)
                offset, gone = committed.offset, NO_LOSS
                # Of the same topic the leader tells from which offset on its log differs (`TruncationFetcher`).
                is_truncated = offset > ranges[partition][1] and decoded.topic_id and _epoch(committed) != UNKNOWN
                if not is_truncated:
                    offset, gone = self.nearest_offset(partition, offset, ranges[partition])
                starts[partition] = Commit(offset, decoded.metadata)
                lost += gone
            is_committed = committed is not None and committed.offset == starts[partition].offset
            self._begin(partition, starts[partition], committed if is_committed else None)
        if first_commits:
            self._commit_starts(first_commits)
        return starts, lost

    def resolve_ranges(self, partitions: Iterable[Partition], ranges: FixedRanges) -> dict[Partition, Commit]:
        """Return the start of each partition of a replay: the start of its range, with the metadata of its own commit at that offset.

        The first commits of the ranges are made here: a range that is not written down would be another one after an interruption.

        Raises:
            SourceUnavailable: a topic was deleted and created again since this replay began.
            kafka.errors.KafkaError: the brokers do not answer, or did not take the first commits.
        """
        starts, commits = {}, self._committed(partitions)
        first_commits = {each: ranges.first_commits[each] for each in partitions if each in ranges.first_commits}
        for partition in partitions:
            start, committed = ranges.bounds[partition][0], commits.get(partition)
            decoded = CommitMetadata.decode(committed.metadata) if committed is not None else CommitMetadata(0, "")
            is_ours = partition not in first_commits and committed is not None and committed.offset == start
            known = decoded.topic_id if is_ours else ""
            now = known_topic_id(self._consumer, partition.topic, known, self._id_before(partition.topic))
            if is_ours and _differ(decoded.topic_id, now):
                raise topic_recreated(partition.topic, "so the range is gone; replay the new topic with other bounds")
            self._known_topics[partition.topic] = KnownTopic(decoded.first_count, now)
            starts[partition] = first_commits.get(partition) or Commit(start, decoded.metadata if is_ours else "")
            self._begin(partition, starts[partition], committed if is_ours else None)
        if first_commits:
            self._commit_starts(first_commits)
        return starts

    def nearest_offset(
        self, partition: Partition, offset: int, offsets: OffsetRange | None = None
    ) -> tuple[int, Sequence[SourceEvent]]:
        """Return the offset if it is still there, or else the oldest offset left and the loss as an event.

        Raises:
            SourceUnavailable: the offset is gone and `kafka.on_lost_offsets` is `halt`.
        """
        oldest, newest = offsets or self._ask_ranges({partition})[partition]
        for pause_s in LOOK_AGAIN_S:
            if offset <= newest:
                break
            time.sleep(pause_s)
            oldest, newest = self._ask_ranges({partition})[partition]
        if oldest <= offset <= newest:
            return offset, NO_LOSS
        self._epochs.begin(partition, oldest, UNKNOWN)
        name = f"{partition.topic}:{partition.partition}"
        if offset < oldest:
            message = (
                f"offsets {offset} to {oldest - 1} of {name} are gone (retention removed them before they were read)"
            )
            return oldest, [self._halt_or_count(message, LostToRetention(partition, offset, oldest - 1, oldest))]
        # Nobody knows how many records are lost.
        message = f"offset {offset} of {name} lies past its end {newest}: the topic was truncated, or deleted and created again"
        return oldest, [self._halt_or_count(message, _uncounted_loss(partition, oldest))]

    def after_truncation(
        self, partition: Partition, position: int, kept_until: int | None
    ) -> tuple[int, Sequence[SourceEvent]]:
        """Return the offset to go on from after a truncation, and the loss as an event.

        `kept_until` is the first offset whose record differs, or None if the broker does not know it.

        Raises:
            SourceUnavailable: `kafka.on_lost_offsets` is `halt`.
        """
        resumed = kept_until if kept_until is not None else self._ask_ranges({partition})[partition][0]
        message = (
            f"{partition.topic}:{partition.partition} was truncated to offset {resumed} after it had been read to {position} "
            "(an unclean leader election)"
        )
        loss = self._halt_or_count(message, _uncounted_loss(partition, resumed))
        epoch = self._epochs.before(partition, resumed) if kept_until is not None else UNKNOWN
        self._epochs.begin(partition, resumed, epoch)
        return resumed, [loss]

    def metadata(self, partition: Partition) -> str:
        """Return the job's own text in the partition's last commit, or "" without a commit."""
        committed = self._committed([partition]).get(partition)
        return CommitMetadata.decode(committed.metadata).metadata if committed is not None else ""

    def _begin(self, partition: Partition, start: Commit, committed: OffsetAndMetadata | None) -> None:
        """Note the leader epoch before a start; it is known where the start is a commit that has one."""
        self._epochs.begin(partition, start.offset, _epoch(committed) if committed is not None else UNKNOWN)

    def _start_recreated(self, partition: Partition, offsets: OffsetRange) -> LostToRetention:
        if self._settings.on_lost_offsets == "halt":
            raise topic_recreated(
                partition.topic,
                "so its offsets name other records now; set kafka.on_lost_offsets to continue to read it from its beginning, "
                f"or set the offsets of the group {self._settings.group} (kafka-consumer-groups.sh --reset-offsets)",
            )
        return _uncounted_loss(partition, offsets[0])

    def _halt_or_count(self, message: str, event: LostToRetention) -> LostToRetention:
        if self._settings.on_lost_offsets == "halt":
            raise SourceUnavailable(
                f"{message}; set kafka.on_lost_offsets to continue to read on from {event.resumed_at} and count the loss"
            )
        return event

    def _ask_ranges(self, partitions: set[Partition]) -> dict[Partition, OffsetRange]:
        """Ask for the offsets of all partitions at once: each question may wait behind a fetch that waits for records."""
        oldest, newest = beginning_offsets(self._consumer, partitions), end_offsets(self._consumer, partitions)
        self._ends.update(newest)
        return {partition: (oldest[partition], newest[partition]) for partition in partitions}

    def _first_offset(self, partition: Partition, offsets: OffsetRange) -> int:
        """Return the start of a partition without a commit: `kafka.start`, or the oldest offset for a partition that was added after the group began."""
        topic, numbers = partition.topic, self._numbers(partition)
        first_count = self._known_topics.get(topic, KnownTopic()).first_count or self._committed_first_count(
            topic, numbers
        )
        self._known_topics[topic] = KnownTopic(
            first_count or len(numbers), known_topic_id(self._consumer, topic, self._id_before(topic))
        )
        oldest, newest = offsets
        return (
            oldest
            if self._settings.start == "earliest" or (first_count and partition.partition >= first_count)
            else newest
        )

    def _id_before(self, topic: str) -> str:
        return self._known_topics.get(topic, KnownTopic()).topic_id

    def _numbers(self, partition: Partition) -> set[int]:
        return self._consumer.partitions_for_topic(partition.topic) or {partition.partition}

    def _committed_first_count(self, topic: str, numbers: set[int]) -> int:
        commits = self._committed([Partition(topic, number) for number in sorted(numbers)])
        decoded = (CommitMetadata.decode(committed.metadata) for _, committed in sorted(commits.items()))
        return next((each.first_count for each in decoded if each.first_count), 0)

    def _committed(self, partitions: Iterable[Partition]) -> dict[Partition, OffsetAndMetadata]:
        return committed_offsets(self._consumer, partitions, ANSWER_LIMIT_MS)

    def _commit_starts(self, commits: Mapping[Partition, Commit]) -> None:
        """Commit the starts of a new group, or of a replay. From then on a partition without a commit is known to be new."""
        self._consumer.commit(
            encode_commits(commits, self._known_topics, self._epochs, self._consumer), timeout_ms=ANSWER_LIMIT_MS
        )


def _epoch(committed: OffsetAndMetadata) -> int:
    """Return the leader epoch of a commit: `UNKNOWN` in a commit of log2mq 0.1.0, and of a broker before Kafka 2.1."""
    return int(committed.leader_epoch) if committed.leader_epoch is not None else UNKNOWN


def topic_recreated(topic: str, rest: str) -> SourceUnavailable:
    """Return the error for a topic that was deleted and created again. `rest` ends its message."""
    return SourceUnavailable(f"the topic {topic} was deleted and created again, {rest}")


def _differ(before: str, now: str) -> bool:
    return bool(before and now and before != now)


def _uncounted_loss(partition: Partition, resumed_at: int) -> LostToRetention:
    """Return a loss of an unknown number of records: `last` lies before `first`."""
    return LostToRetention(partition, resumed_at, resumed_at - 1, resumed_at)
