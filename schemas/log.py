"""A raw log record as Kafka delivers it, and the decoded entry that a transform receives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Header = tuple[str, bytes | None]


class Record(Protocol):
    """One raw record. kafka-python's `ConsumerRecord` has this shape, so no copy is made on the hot path.

    `timestamp` is the record's Kafka timestamp in Unix milliseconds (-1 where the topic has none).
    """

    @property
    def topic(self) -> str:
        """The topic that the record was read from."""
        ...

    @property
    def partition(self) -> int:
        """The partition's number."""
        ...

    @property
    def offset(self) -> int:
        """The offset in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Unix milliseconds, or -1."""
        ...

    @property
    def key(self) -> bytes | None:
        """The record's key."""
        ...

    @property
    def value(self) -> bytes | None:
        """The raw log."""
        ...

    @property
    def headers(self) -> Sequence[Header]:
        """The record's headers, in order."""
        ...


class RawRecord(NamedTuple):
    """A `Record` that did not come from a poll: read from a file or standard input, or made by a test."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


@dataclass(slots=True)
class LogEntry:
    """One decoded log entry: `fields` holds the decoded values, `record` is the raw record that the entry came from.

    `place` is the number of the entry in its record, from 0; most records hold one entry. A transform changes none of the three.
    """

    fields: Mapping[str, Any]
    record: Record
    place: int = 0
