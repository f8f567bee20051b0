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


def known_topic_id(consumer: KafkaConsumer, topic: str, *known: str) -> str:
    """Return the broker's ID of a topic, or the first ID in `known` where the metadata lacks the topic at this moment; "" if there is none at all.

    A broker that has just started may not know all topics, and each answer of a broker replaces the metadata as a whole. Without the ID the
    topic would be another place: dead letters are written again, and the order of a customer's versions follows their times alone. Where
    nothing else is known, or what is known differs, the brokers are asked.

    Raises:
        kafka.errors.KafkaError: the brokers do not answer.
    """
    if now := topic_id(consumer, topic):
        return now
    if len(found := set(filter(None, known))) != 1:
        consumer.partitions_for_topic(topic)  # asks them where the metadata lacks the topic
    return topic_id(consumer, topic) or next((each for each in known if each in found), "")
