"""Records for a trial out of a topic: the latest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.authoring.dry_run.records import Sampled
from pipeline.config.source_file import SourceFile
from pipeline.kafka_io.admin import KafkaAdmin


def topic_records(source: SourceFile, topic: str, most: int, environment: Mapping[str, str]) -> Iterator[Sampled]:
    """Return the latest records of a topic, about equally many of each partition. No group is joined, no offset moved.

    Raises:
        SourceUnavailable: no broker answers, or the topic is not there.
    """
    kafka = source.kafka.model_copy(update={"topics": (topic,), "topic_pattern": None})
    with KafkaAdmin(kafka, environment) as topics:
        for record in topics.latest_records(most):
            yield Sampled(record, f"{record.topic}:{record.partition}:{record.offset}")
