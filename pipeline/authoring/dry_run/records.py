"""Records of a file for a dry run: one for each line, or the whole file as one."""

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
"""The most bytes that are read of a file that is one record."""


class Sampled(NamedTuple):
    """One record, and the place where a person finds it: `sample.log:12`, or `topic:partition:offset`."""

    record: Record
    place: str


def file_records(source: SourceFile, path: Path, most: int) -> Iterator[Sampled]:
    """Yield the first lines of a file that are not blank, each as a record of the source's first topic. Its timestamp is that of the file.

    Raises:
        UsageError: the file cannot be read.
    """
    with _open(path) as stream:
        time_ms = written_ms(stream)
        for number, value in islice(lines_of(stream, source.limits.record), most):
            yield Sampled(record_of(source, value, number - 1, time_ms), f"{path}:{number}")


def whole_record(source: SourceFile, path: Path) -> Iterator[Sampled]:
    """Yield a file as one record; nothing if the file is blank.

    Raises:
        UsageError: the file cannot be read.
    """
    with _open(path) as stream:
        value, time_ms = stream.read(MOST_WHOLE_BYTES), written_ms(stream)
    if value.strip():
        yield Sampled(record_of(source, value, 0, time_ms), str(path))


def written_ms(stream: BinaryIO) -> int:
    """Return the time of a file's last change, in Unix ms. The times of its lines are not known."""
    return os.fstat(stream.fileno()).st_mtime_ns // 1_000_000


def record_of(source: SourceFile, value: bytes, offset: int, time_ms: int) -> Record:
    """Return a record of the source's first topic with this value. `time_ms` is Unix ms."""
    topic = (source.kafka.topics or (f"{source.source}-log",))[0]
    return RawRecord(topic, 0, offset, time_ms, None, value)


def lines_of(stream: BinaryIO, most: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, without line end, each with its number, from 1.

    A line of more than `most` bytes is cut, but stays longer than `most`.
    """
    number = 0
    while line := _line(stream, most + 2):
        number += 1
        value = line.removesuffix(b"\n").removesuffix(b"\r")
        if value.strip():
            yield number, value


def _line(stream: BinaryIO, most: int) -> bytes:
    """Read one line. Return at most `most` bytes of it; the rest is not kept in memory."""
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
