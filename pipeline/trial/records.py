"""Where the records of a sample come from: the lines of a file, a whole file, or the latest of a topic."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.config.source_file import SourceFile
from pipeline.errors import UsageError
from pipeline.kafka_topics import Topics
from schemas.log import RawRecord, Record

MOST_WHOLE_BYTES = 64 << 20
"""Of a file that is one record no more is read."""


class Sampled(NamedTuple):
    """One record, and where a person finds it: `sample.log:12`, or `topic:partition:offset`."""

    record: Record
    place: str


def file_records(source: SourceFile, path: Path, most: int) -> Iterator[Sampled]:
    """Return the first lines of a file that are not blank, each as a record of the source's first topic, written when the file was.

    Raises:
        UsageError: the file cannot be read.
    """
    with _open(path) as stream:
        written_ms = _written_ms(stream)
        number = found = 0
        while found < most and (line := _line(stream, source.limits.record)):
            number += 1
            value = line.removesuffix(b"\n").removesuffix(b"\r")
            if value.strip():
                found += 1
                yield Sampled(_record(source, value, number - 1, written_ms), f"{path}:{number}")


def whole_record(source: SourceFile, path: Path) -> Iterator[Sampled]:
    """Return a file as one record. Raises as `file_records` does."""
    with _open(path) as stream:
        value, written_ms = stream.read(MOST_WHOLE_BYTES), _written_ms(stream)
    if value.strip():
        yield Sampled(_record(source, value, 0, written_ms), str(path))


def topic_records(source: SourceFile, topic: str, most: int, environment: Mapping[str, str]) -> Iterator[Sampled]:
    """Return the latest records of a topic, about equally many of each partition. No group is joined, no offset moved.

    Raises:
        SourceUnavailable: no broker answers, or the topic is not there.
    """
    kafka = source.kafka.model_copy(update={"topics": (topic,), "topic_pattern": None})
    with Topics(kafka, environment) as topics:
        for record in topics.latest_records(most):
            yield Sampled(record, f"{record.topic}:{record.partition}:{record.offset}")


def _written_ms(stream: BinaryIO) -> int:
    """Return when a file was written last: the best that is known of when its lines were."""
    return os.fstat(stream.fileno()).st_mtime_ns // 1_000_000


def _record(source: SourceFile, value: bytes, offset: int, written_ms: int) -> Record:
    topic = (source.kafka.topics or (f"{source.source}-log",))[0]
    return RawRecord(topic, 0, offset, written_ms, None, value)


def _line(stream: BinaryIO, limit: int) -> bytes:
    """Read one line; of one that `limits.record` refuses only so much that it does."""
    most = limit + 2
    line = begun = stream.readline(most)
    while len(line) == most and not line.endswith(b"\n"):
        line = stream.readline(most)
    return begun


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(
            f"--sample: found {str(path)!r}, which cannot be read ({error.strerror}); expected a file of records, or a topic"
        ) from None
