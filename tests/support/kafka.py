"""A real Kafka broker, and what a test does with it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kafka import KafkaAdminClient, errors

from pipeline.contracts.values import Commit, Partition
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.producer import KafkaWriter
from pipeline.kafka_io.settings import KafkaSettings
from schemas.log import Record

Pair = tuple[bytes | None, bytes | None]
"""Key and value."""


def places(records: Iterable[Record]) -> set[tuple[str, int, int]]:
    """Return the places of records. A record that is read again after a rebalance counts once: on a slow machine a member may be evicted at any time."""
    return {(record.topic, record.partition, record.offset) for record in records}


class TestKafka:
    """A real broker, and what a test does with it."""

    __test__ = False

    def __init__(self, servers: str) -> None:
        self.servers = servers

    def settings(self, *topics: str, **more: Any) -> KafkaSettings:
        return KafkaSettings(**{"bootstrap_servers": (self.servers,), "topics": topics or ("none",), **more})

    def topic(self, partitions: int = 1, name: str | None = None, **config: Any) -> str:
        name = name or f"t-{uuid.uuid4().hex[:10]}"
        with KafkaAdmin(self.settings(), {}) as topics:
            topics.create(name, partitions, {key.replace("_", "."): str(value) for key, value in config.items()})
        return name

    def write(
        self,
        topic: str,
        values: Iterable[bytes | Pair],
        partition: int | None = None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        with KafkaWriter(self.settings(), client_id="test", environment={}) as writer:
            pairs = [each if isinstance(each, tuple) else (key, each) for each in values]
            return writer.write(topic, pairs, partition=partition, headers=headers)

    def read(self, topic: str) -> list[Record]:
        """All records of a topic."""
        with KafkaAdmin(self.settings(topic), {}) as topics:
            partitions = topics.partitions()
            starts, ends = topics.beginning_offsets(partitions), topics.end_offsets(partitions)
            return [topics.record_at(each, offset) for each in partitions for offset in range(starts[each], ends[each])]

    def committed(self, group: str) -> Mapping[Partition, Commit]:
        with KafkaAdmin(self.settings(), {}) as topics:
            return topics.committed(group)

    def shares(self, group: str) -> dict[str, set[Partition]]:
        """The partitions of each member of a group, as the brokers know them. A new cluster has no coordinator yet: then nobody has any."""
        with KafkaAdminClient(bootstrap_servers=self.servers) as admin:
            try:
                members = admin.describe_groups([group])[group]["members"]
            except errors.CoordinatorNotAvailableError:
                members = []
        return {
            each["member_id"]: {
                Partition(share["topic"], number)
                for share in (each["member_assignment"] or {}).get("assigned_partitions", ())
                for number in share["partitions"]
            }
            for each in members
        }

    def ends(self, topic: str) -> Mapping[Partition, int]:
        with KafkaAdmin(self.settings(topic), {}) as topics:
            return topics.end_offsets(topics.partitions())
