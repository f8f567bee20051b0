"""The Kafka client of one source. After an outage or a stall a new client replaces it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition, errors

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.pauses import PauseReason, Pauses
from pipeline.contracts.values import Commit, Partition
from pipeline.kafka_io.bounded_fetch import ReadBounds
from pipeline.kafka_io.client import LASTING_ERRORS, NO_DEADLINE, connect_with_retries, unavailable
from pipeline.kafka_io.commit_metadata import encode_commits
from pipeline.kafka_io.consumer import OwnershipChange, Rebalance, Rebalances, discard, known_position, open_consumer
from pipeline.kafka_io.known_topics import KnownTopic, topic_id
from pipeline.kafka_io.leader_epochs import LeaderEpochs
from pipeline.kafka_io.offset_lookup import end_offsets, end_offsets_of_leaders
from pipeline.kafka_io.pausing import apply_pauses, take_up_parked
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.start_offsets import StartOffsets
from pipeline.kafka_io.truncation import Truncation
from schemas.log import Record

COMMIT_LIMIT_MS = 5_000
CLOSE_LIMIT_MS = 5_000
ASK_LIMIT_MS = 1_000

_log = logging.getLogger("log2mq.kafka")


class SourceClient:
    """One `KafkaConsumer` and its rebalances. `rebuild` replaces both.

    What outlives one consumer is kept here: the partitions that the source owns, their pauses, the ends of partitions, and the IDs of topics.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        client_id: str,
        environment: Mapping[str, str],
        ranges: FixedRanges | None,
        static_id: str | None = None,
        deadline: Deadline = NO_DEADLINE,
        bounds: ReadBounds = ReadBounds(),  # noqa: B008 - a frozen value
    ) -> None:
        """Connect. With `ranges` only these are read, and the group only keeps their commits. `static_id` makes this a static member of the group.

        `deadline` is that of the job: each call returns by it.

        Raises:
            SourceUnavailable: no broker answers for `kafka.give_up_after`, the login is refused, or a topic does not exist.
        """
        self.settings = settings
        self.ranges = ranges
        self.owned: set[Partition] = set()
        self.pauses = Pauses()
        self.epochs = LeaderEpochs()
        self.known_topics: dict[str, KnownTopic] = {}
        self._client_id = client_id
        self._static_id = static_id if ranges is None else None
        self._environment = environment
        self._deadline = deadline
        self._bounds = bounds
        self.ends: dict[Partition, int] = {}  # as the brokers told them last
        self._consumer, self.rebalances = connect_with_retries(settings, self._connect)
        if ranges is not None:
            self.rebalances.noted.append(Rebalance(OwnershipChange.GAINED, frozenset(ranges.bounds)))

    def poll(self, timeout_ms: int, most_bytes: int) -> Mapping[Any, Sequence[Record]]:
        """Return the next records by kafka-python's `TopicPartition`: none after `most_bytes`.

        Raises:
            kafka.errors.KafkaError: see `KafkaConsumer.poll`.
        """
        self._consumer._coordinator.begin_poll()  # noqa: SLF001 - see `GroupCoordinator`
        self.pauses.replace(PauseReason.RANGE_READ, self.read_ranges())
        apply_pauses(self._consumer, self.pauses.paused())
        take_up_parked(self._consumer)
        self._consumer._fetcher.most_bytes = most_bytes  # noqa: SLF001 - see `BoundedFetcher`
        found: Mapping[Any, Sequence[Record]] = self._consumer.poll(
            timeout_ms=timeout_ms, max_records=self.settings.max_poll_records
        )
        for key, state in self._consumer._subscription.assignment.items():  # noqa: SLF001 - there is no other way to the epochs
            if (position := state.position) is not None:
                self.epochs.note(Partition(*key), found.get(key, ()), position.offset, position.leader_epoch)
        return found

    @property
    def is_poll_full(self) -> bool:
        """Whether the last `poll` returned as much as it may."""
        return bool(self._consumer._fetcher.is_full)  # noqa: SLF001 - see `BoundedFetcher`

    def position(self, partition: Partition) -> int | None:
        """Return the offset that is read next, or None where there is none. Asks no broker."""
        return known_position(self._consumer, partition)

    def positions(self) -> dict[Partition, int]:
        """Return the positions of the partitions owned that have one. Asks no broker."""
        return {each: position for each in self.owned if (position := self.position(each)) is not None}

    def read_ranges(self) -> set[Partition]:
        """Return the partitions owned whose range is read to its end: none without ranges."""
        return self.ranges.read_to_end(self.positions()) if self.ranges is not None else set()

    def newest(self, partition: Partition) -> int:
        """Return the end of a partition from the last fetch or the last `learn_ends`. Asks no broker."""
        return max(self._consumer.highwater(TopicPartition(*partition)) or 0, self.ends.get(partition, 0))

    def topic_id(self, topic: str) -> str:
        """Return the broker's ID of a topic; see `known_topics.topic_id`."""
        return topic_id(self._consumer, topic)

    def start_offsets(self) -> StartOffsets:
        """Return a `StartOffsets` over the current consumer."""
        return StartOffsets(self._consumer, self.settings, self.known_topics, self.epochs, self.ends)

    @property
    def leaving(self) -> frozenset[Partition]:
        """The partitions that are not read any more, and not released yet."""
        return self.pauses.because(PauseReason.LEAVING)

    def truncations(self) -> list[Truncation]:
        """Return the truncations found since the last call. They are told again until the partition is sought."""
        return self._consumer._fetcher.take_truncations()  # type: ignore[no-any-return]  # noqa: SLF001 - see `TruncationFetcher`

    # --- questions to the brokers ----------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask a broker for the end of one partition.

        Raises:
            kafka.errors.KafkaError: no broker answers within a second.
        """
        partition = next(iter(self.owned), None)
        if partition is None:  # another member owns all partitions, or no topic matches the pattern yet
            topic = next(iter(self._consumer.subscription() or self.settings.topics or ()), None)
            partition = Partition(topic, 0) if topic is not None else None
        if partition is not None:
            end_offsets(self._consumer, [partition], ASK_LIMIT_MS)

    def learn_ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Ask for the ends of partitions, and return those that the brokers answered with.

        A paused partition is not fetched, so only this keeps its lag up to date in a long outage.
        """
        ends = end_offsets_of_leaders(self._consumer, partitions, ASK_LIMIT_MS)
        self.ends.update(ends)
        return ends

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:
        """Commit, and return whether the brokers took it.

        Raises:
            SourceUnavailable: an error that does not pass, such as a denied access.
        """
        if not offsets:
            return True
        if self._consumer._coordinator.rejoining:  # noqa: SLF001 - kafka-python refuses commits during a join
            return False
        try:
            self._consumer.commit(self._encode(offsets), timeout_ms=self._deadline.limit_ms(COMMIT_LIMIT_MS))
        except LASTING_ERRORS as error:
            raise unavailable(self.settings, error, "committing") from None
        except errors.KafkaError as error:
            _log.info("a commit failed (%s); it is tried again", type(error).__name__)
            return False
        for partition, commit in offsets.items():
            self.epochs.forget_before(partition, commit.offset)
        return True

    # --- what is read next -----------------------------------------------------------------------------------------------------

    def start_reading(self, partition: Partition, offset: int) -> None:
        """Begin to read a partition at `offset`. It has no pause: this is the start of its epoch."""
        self.pauses.forget([partition])
        self._seek(self._consumer, partition, offset)

    def seek(self, partition: Partition, offset: int) -> None:
        """Read a partition from `offset` next. A paused partition stays paused. Of a partition that is leaving nothing more is read."""
        if partition not in self.leaving:
            self._seek(self._consumer, partition, offset)

    def release(self, partitions: Collection[Partition]) -> None:
        """Let go of partitions that are leaving: the next join tells the group so."""
        self.pauses.forget(partitions)
        self._consumer._coordinator.let_go(partitions)  # noqa: SLF001 - see `GroupCoordinator`

    # --- connecting ------------------------------------------------------------------------------------------------------------

    def rebuild(self, limit_ms: int) -> None:
        """Replace the consumer by a new one.

        A member of a group joins it as a new member, or takes its own place as a static member, and reads its partitions from the committed
        offsets. A replay has its partitions for itself: it reads on at its positions, and what is in flight stays in flight.

        Raises:
            SourceUnavailable: no broker answers within `limit_ms`. The old consumer stays.
        """
        consumer, rebalances = self._connect(limit_ms)
        if self.ranges is not None:
            rebalances.noted = self.rebalances.noted
            for partition, position in self.positions().items():
                self._seek(consumer, partition, position)
        else:
            rebalances.noted.append(Rebalance(OwnershipChange.GONE, frozenset(self.owned | self.leaving)))
        old, self._consumer = self._consumer, consumer
        self.rebalances.is_retired = True
        self.rebalances = rebalances
        # A static member stays in the group: the new consumer takes its place.
        discard(old, leaves_group=self._static_id is None)

    def close(self) -> None:
        """Leave the group. Commits nothing."""
        self.rebalances.is_retired = True
        discard(self._consumer, self._deadline.limit_ms(CLOSE_LIMIT_MS))

    def _connect(self, limit_ms: int) -> tuple[KafkaConsumer, Rebalances]:
        settings = self.settings
        consumer = open_consumer(
            settings,
            self._environment,
            self._client_id,
            self._deadline.limit_ms(limit_ms),
            static_id=self._static_id,
            bounds=self._bounds,
            deadline=self._deadline,
        )
        rebalances = Rebalances(consumer, self._encode)
        if self.ranges is not None:
            consumer.assign([TopicPartition(*each) for each in self.ranges.bounds])
            return consumer, rebalances
        try:
            consumer.subscribe(topics=list(settings.topics or ()), pattern=settings.topic_pattern, listener=rebalances)
        except errors.KafkaError as error:
            discard(consumer)
            raise unavailable(settings, error, "subscribing") from None
        return consumer, rebalances

    def _seek(self, consumer: KafkaConsumer, partition: Partition, offset: int) -> None:
        """Seek with the leader epoch of what was read before: kafka-python's own `seek` forgets it, and a truncation below `offset` with it."""
        position = OffsetAndMetadata(offset, "", self.epochs.before(partition, offset))
        consumer._subscription.seek(TopicPartition(*partition), position)  # noqa: SLF001 - there is no other way to it

    def _encode(self, commits: Mapping[Partition, Commit]) -> dict[TopicPartition, OffsetAndMetadata]:
        return encode_commits(commits, self.known_topics, self.epochs, self._consumer)
