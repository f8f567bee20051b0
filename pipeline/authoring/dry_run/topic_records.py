"""The latest records of a topic, for a dry run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.authoring.dry_run.records import Sampled
from pipeline.config.source_file import SourceFile
from pipeline.kafka_io.admin import KafkaAdmin


def topic_records(source: SourceFile, topic: str, most: int, environment: Mapping[str, str]) -> Iterator[Sampled]:
    """Yield the latest records of a topic, about equally many of each partition. Join no consumer group, commit no offset.

    Raises:
        SourceUnavailable: no broker answers, or the topic does not exist.
    """
    kafka = source.kafka.model_copy(update={"topics": (topic,), "topic_pattern": None})
    with KafkaAdmin(kafka, environment) as admin:
        for record in admin.latest_records(most):
            yield Sampled(record, f"{record.topic}:{record.partition}:{record.offset}")
