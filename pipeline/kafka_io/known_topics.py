"""What is known of a topic besides its records."""

from __future__ import annotations

from typing import NamedTuple

from kafka import KafkaConsumer


class KnownTopic(NamedTuple):
    """The number of partitions that a topic had when the group began to read it (0: unknown), and the broker's ID of the topic ("" if it has none)."""

    first_count: int = 0
    topic_id: str = ""


def topic_id(consumer: KafkaConsumer, topic: str) -> str:
    """Return the broker's ID of a topic from the consumer's own metadata (at most `kafka.metadata_max_age` old), or "" if it is not there."""
    found = consumer._cluster.topic_id(topic)  # noqa: SLF001 - kafka-python has no other way to it without one more connection
    return found.hex if found is not None and found.int else ""
