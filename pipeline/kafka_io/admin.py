"""Questions about topics, offsets and groups, and the creation of topics. Nothing here joins a group."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaAdminClient, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType

from pipeline.contracts.values import Commit, Partition
from pipeline.errors import SourceUnavailable, UsageError
from pipeline.kafka_io.client import client_settings, open_client, unavailable
from pipeline.kafka_io.commit_metadata import CommitMetadata
from pipeline.kafka_io.group_members import GroupState, group_state
from pipeline.kafka_io.known_topics import known_topic_id
from pipeline.kafka_io.offset_lookup import beginning_offsets, end_offsets, offsets_at_time
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.standalone import UngroupedConsumer
from schemas.log import Record

READ_LIMIT_MS = 10_000


class KafkaAdmin(UngroupedConsumer):
    """Answers questions, and creates topics. It opens a second connection where a request needs an admin client."""

    def __init__(self, settings: KafkaSettings, environment: Mapping[str, str]) -> None:
        self._common = client_settings(settings, environment, f"{settings.group or 'log2mq'}-questions")
        super().__init__(settings, self._common, auto_offset_reset="none", max_partition_fetch_bytes=16 << 20)
        self._admin: KafkaAdminClient | None = None

    def _close(self) -> None:
        super()._close()
        if self._admin is not None:
            with suppress(errors.KafkaError):
                self._admin.close()

    def partitions(self) -> list[Partition]:
        """Return all partitions of the source's topics, sorted.

        Raises:
            SourceUnavailable: a topic does not exist, or no broker answers.
        """
        with self._asking("looking for the topics"):
            existing = set(self._consumer.topics())
        pattern = self._settings.topic_pattern
        topics = sorted(self._settings.topics or (topic for topic in existing if re.match(pattern or "", topic)))
        missing = [topic for topic in topics if topic not in existing]
        if missing or not topics:
            raise SourceUnavailable(
                f"no such topic on {', '.join(self._settings.bootstrap_servers)}: {', '.join(missing) or pattern}"
            )
        with self._asking("looking for the partitions"):
            return [
                Partition(topic, number)
                for topic in topics
                for number in sorted(self._consumer.partitions_for_topic(topic) or ())
            ]

    def topic_id(self, topic: str) -> str:
        """Return the broker's ID of a topic; "" if the broker has none, or the topic does not exist."""
        with self._asking("looking for the topics"):
            return known_topic_id(self._consumer, topic)

    def exists(self, topic: str) -> bool:
        """Return whether a topic of that name exists."""
        with self._asking("looking for the topics"):
            return topic in self._consumer.topics()

    def create(self, topic: str, partitions: int = 1, settings: Mapping[str, str] | None = None) -> None:
        """Create a topic, unless it exists."""
        if self.exists(topic):
            return
        request = {topic: {"num_partitions": partitions, "replication_factor": 1, "configs": dict(settings or {})}}
        with self._asking(f"creating {topic}"), suppress(errors.TopicAlreadyExistsError):
            self._admin_client().create_topics(request)
            self._admin_client().wait_for_topics([topic])

    def beginning_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Return the oldest offset of each partition that is still there."""
        with self._asking("looking up offsets"):
            return beginning_offsets(self._consumer, partitions)

    def end_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Return the offset after the newest record of each partition that may be read."""
        with self._asking("looking up offsets"):
            return end_offsets(self._consumer, partitions)

    def offsets_for_time(self, partitions: Sequence[Partition], time_ms: int) -> dict[Partition, int]:
        """Return the first offset of each partition at or after a time, or its end offset if it has none."""
        ends = self.end_offsets(partitions)
        with self._asking("looking up a time"):
            found = offsets_at_time(self._consumer, partitions, time_ms)
        return {each: offset if (offset := found[each]) is not None else ends[each] for each in partitions}

    def committed(self, group: str, partitions: Sequence[Partition] | None = None) -> dict[Partition, Commit]:
        """Return the commits of a group, with the job's own text, for the partitions given or for all."""
        asked = None if partitions is None else [TopicPartition(*each) for each in partitions]
        answer = self._ask_coordinator(group, lambda admin: admin.list_group_offsets({group: asked}))
        offsets = answer.get(group, {})
        return {
            Partition(*key): Commit(each.offset, CommitMetadata.decode(each.metadata).metadata)
            for key, each in offsets.items()
            if each.offset >= 0
        }

    def group(self, group: str) -> GroupState:
        """Return the state and the members of a group. A group that the brokers do not know has no members."""
        return group_state(self._ask_coordinator(group, lambda admin: admin.describe_groups([group]))[group])

    def _ask_coordinator(self, group: str, question: Callable[[KafkaAdminClient], dict[Any, Any]]) -> dict[Any, Any]:
        """Ask about a group until its coordinator answers: a new cluster has none yet."""
        deadline_s = time.monotonic() + READ_LIMIT_MS / 1000
        while True:
            try:
                return question(self._admin_client())
            except errors.RetriableError as error:
                if time.monotonic() > deadline_s:
                    raise unavailable(self._settings, error, f"looking up the group {group}") from None
                time.sleep(0.2)
            except errors.KafkaError as error:
                raise unavailable(self._settings, error, f"looking up the group {group}") from None

    def retention_ms(self, topic: str) -> int | None:
        """Return the retention time of a topic in ms, or None for unlimited retention or if the brokers do not answer."""
        try:
            answer = self._admin_client().describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all"
            )
        except errors.KafkaError:
            return None
        found = answer.get("topic", {}).get(topic, {}).get("retention.ms")
        value = found.get("value") if isinstance(found, dict) else found
        return int(value) if value is not None and int(value) >= 0 else None

    def record_at(self, partition: Partition, offset: int) -> Record:
        """Return one record.

        Raises:
            UsageError: the partition does not exist, or has no record at that offset.
        """
        with self._asking("looking for the topic"):
            exists = partition.topic in self._consumer.topics()
            numbers = self._consumer.partitions_for_topic(partition.topic) if exists else None
        if partition.partition not in (numbers or ()):
            raise UsageError(
                f"{partition.topic} has partitions 0 to {max(numbers)}; expected one of these, found {partition.partition}"
                if numbers
                else f"found no topic {partition.topic}; expected a topic of the brokers"
            )
        oldest, newest = self.beginning_offsets([partition])[partition], self.end_offsets([partition])[partition]
        if not oldest <= offset < newest:
            raise UsageError(
                f"{partition.topic}:{partition.partition} has offsets {oldest} to {newest - 1}, not {offset}"
            )
        key = TopicPartition(*partition)
        self._consumer.assign([key])
        self._consumer.seek(key, offset)
        with self._asking("reading one record"):
            found = self._consumer.poll(timeout_ms=READ_LIMIT_MS, max_records=1).get(key, [])
        if not found or found[0].offset != offset:
            raise UsageError(
                f"{partition.topic}:{partition.partition} has no record at offset {offset}: compaction removed it, or it is the marker of a transaction"
            )
        return found[0]  # type: ignore[no-any-return]

    def latest_records(self, most: int) -> Iterator[Record]:
        """Yield the latest `most` records of the source's topics, about the same number of each partition, oldest first in each.

        Raises:
            SourceUnavailable: no broker answers, at the beginning or later.
        """
        partitions = self.partitions()
        starts, ends = self.beginning_offsets(partitions), self.end_offsets(partitions)
        waiting = [each for each in partitions if starts[each] < ends[each]]
        most_each = max(most // max(len(waiting), 1), 1)
        self._consumer.assign([TopicPartition(*each) for each in waiting])
        for each in waiting:
            self._consumer.seek(TopicPartition(*each), max(starts[each], ends[each] - most_each))
        left = most
        with self._asking("reading the latest records"):
            for record in self._read_to(ends, waiting):
                yield record
                left -= 1
                if not left:
                    return

    def records_between(self, bounds: Mapping[Partition, tuple[int, int]]) -> Iterator[Record]:
        """Yield the records of these ranges of offsets, the end exclusive, in their order within each partition.

        Raises:
            SourceUnavailable: no broker answers, at the beginning or later.
        """
        waiting = [each for each, (start, until) in bounds.items() if start < until]
        self._consumer.assign([TopicPartition(*each) for each in waiting])
        for each in waiting:
            self._consumer.seek(TopicPartition(*each), bounds[each][0])
        ends = {each: bounds[each][1] for each in waiting}
        with self._asking("reading a range"):
            for record in self._read_to(ends, waiting):
                if record.offset < ends[Partition(record.topic, record.partition)]:
                    yield record

    def count_by_header(self, name: str) -> dict[str, int]:
        """Read the source's topics to their end, and return the number of records by the text of one header ("" if a record does not have it)."""
        partitions = self.partitions()
        starts, ends = self.beginning_offsets(partitions), self.end_offsets(partitions)
        waiting = [each for each in partitions if starts[each] < ends[each]]
        counts: dict[str, int] = {}
        self._consumer.assign([TopicPartition(*each) for each in waiting])
        for each in waiting:
            self._consumer.seek(TopicPartition(*each), starts[each])
        with self._asking("reading"):
            for record in self._read_to(ends, waiting):
                values = (value.decode() for key, value in record.headers or () if key == name and value is not None)
                text = next(values, "")
                counts[text] = counts.get(text, 0) + 1
        return counts

    def _read_to(self, ends: Mapping[Partition, int], waiting: Sequence[Partition]) -> Iterator[Record]:
        """Yield the records of partitions from their positions to these ends.

        Raises:
            kafka.errors.KafkaTimeoutError: the brokers give no record for `READ_LIMIT_MS`: `poll` does not raise while none of them answers.
        """
        answered_s = time.monotonic()
        while waiting:
            polled = self._consumer.poll(timeout_ms=1_000)
            for records in polled.values():
                yield from records
            if polled:
                answered_s = time.monotonic()
            elif time.monotonic() - answered_s > READ_LIMIT_MS / 1000:
                raise errors.KafkaTimeoutError("no record has come")
            waiting = [each for each in waiting if (self._consumer.position(TopicPartition(*each)) or 0) < ends[each]]

    def _admin_client(self) -> KafkaAdminClient:
        if self._admin is None:
            with self._asking("connecting"):
                self._admin = open_client(KafkaAdminClient, **self._common)
        return self._admin
