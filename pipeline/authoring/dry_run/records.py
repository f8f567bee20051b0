"""Records for a trial out of a file: its lines, or those of standard input, or the whole file as one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.config.source_file import SourceFile
from pipeline.errors import UsageError
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
        time_ms = written_ms(stream)
        for number, value in islice(lines_of(stream, source.limits.record), most):
            yield Sampled(record_of(source, value, number - 1, time_ms), f"{path}:{number}")


def whole_record(source: SourceFile, path: Path) -> Iterator[Sampled]:
    """Return a file as one record. Raises as `file_records` does."""
    with _open(path) as stream:
        value, time_ms = stream.read(MOST_WHOLE_BYTES), written_ms(stream)
    if value.strip():
        yield Sampled(record_of(source, value, 0, time_ms), str(path))


def written_ms(stream: BinaryIO) -> int:
    """Return when a file was written last: the best that is known of when its lines were."""
    return os.fstat(stream.fileno()).st_mtime_ns // 1_000_000


def record_of(source: SourceFile, value: bytes, offset: int, time_ms: int) -> Record:
    """Return a value as a record of the source's first topic."""
    topic = (source.kafka.topics or (f"{source.source}-log",))[0]
    return RawRecord(topic, 0, offset, time_ms, None, value)


def lines_of(stream: BinaryIO, most: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, each with its number, from 1, without its end; of one longer than `most` bytes only so much that it is longer."""
    number = 0
    while line := _line(stream, most + 2):
        number += 1
        value = line.removesuffix(b"\n").removesuffix(b"\r")
        if value.strip():
            yield number, value


def _line(stream: BinaryIO, most: int) -> bytes:
    """Read one line, and return so many bytes of it; the rest is not held."""
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
