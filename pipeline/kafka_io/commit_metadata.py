"""A commit as kafka-python takes it: the offset, the metadata text that log2mq keeps beside it, and the leader epoch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from pipeline.contracts.values import Commit, Partition
from pipeline.kafka_io.known_topics import KnownTopic, topic_id
from pipeline.kafka_io.leader_epochs import LeaderEpochs

_FORMAT = re.compile(r"log2mq1;born=([0-9]{1,9});(?:topic=([0-9a-f]{32});)?")


class CommitMetadata(NamedTuple):
    """The metadata of one commit.

    `first_count` is the number of partitions that the topic had when the group began to read it (`born=` in the text), 0 where it is unknown.
    `metadata` is the job's own text. `topic_id` is the broker's ID of the topic (KIP-516) as 32 hexadecimal digits, or "" where the broker has
    none: a topic that was deleted and created again has another ID.
    """

    first_count: int
    metadata: str
    topic_id: str = ""

    def encode(self) -> str:
        """Return the text of the commit metadata."""
        topic = f"topic={self.topic_id};" if self.topic_id else ""
        return f"log2mq1;born={self.first_count};{topic}{self.metadata}"

    @classmethod
    def decode(cls, text: str) -> CommitMetadata:
        """Return the metadata of a commit's text. A text that log2mq did not write counts as empty."""
        found = _FORMAT.match(text or "")
        return cls(int(found[1]), text[found.end() :], found[2] or "") if found else cls(0, "")


def encode_commits(
    commits: Mapping[Partition, Commit],
    known_topics: Mapping[str, KnownTopic],
    epochs: LeaderEpochs,
    consumer: KafkaConsumer,
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return the commits as those of kafka-python, each with its metadata and with the leader epoch of the record before it (KIP-320)."""
    encoded = {}
    for partition, commit in commits.items():
        topic = known_topics.get(partition.topic) or KnownTopic(0, topic_id(consumer, partition.topic))
        decoded = CommitMetadata(topic.first_count, commit.metadata, topic.topic_id).encode()
        encoded[TopicPartition(*partition)] = OffsetAndMetadata(
            commit.offset, decoded, epochs.before(partition, commit.offset)
        )
    return encoded
