"""A dead letter as it is read again: where its record came from, why it was refused, and the record as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.contracts.values import Partition
from pipeline.dead_letters.headers import CUT_HEADER, DeadLetterHeader
from schemas.log import RawRecord, Record

OWN_HEADERS = frozenset({*(header.value for header in DeadLetterHeader), CUT_HEADER})
"""The headers that log2mq adds; all others are the record's."""


class DeadLetter(NamedTuple):
    """One dead letter. `record` is its record in the dead-letter topic; the other fields are those of its headers.

    `origin` and `offset` say where the refused record was, `timestamp` is Kafka's time of it, and `refused_at` when it was refused, both in Unix ms.
    They are -1 where a header is missing or wrong.
    """

    record: Record
    source: str
    origin: Partition
    offset: int
    timestamp: int
    refused_at: int
    stage: str
    reason: str
    text: str
    api_code: str
    request_id: str
    trace_id: str
    is_cut: bool

    @classmethod
    def read(cls, record: Record) -> DeadLetter | None:
        """Return the dead letter that a record is; None for a record that log2mq did not write."""
        source, topic = header_text(record, DeadLetterHeader.SOURCE), header_text(record, DeadLetterHeader.TOPIC)
        if not (source and topic):
            return None
        return cls(
            record,
            source,
            Partition(topic, _number(record, DeadLetterHeader.PARTITION)),
            _number(record, DeadLetterHeader.OFFSET),
            _number(record, DeadLetterHeader.TIMESTAMP),
            _number(record, DeadLetterHeader.REFUSED_AT),
            header_text(record, DeadLetterHeader.STAGE),
            header_text(record, DeadLetterHeader.REASON),
            header_text(record, DeadLetterHeader.REASON_TEXT),
            header_text(record, DeadLetterHeader.API_CODE),
            header_text(record, DeadLetterHeader.REQUEST_ID),
            header_text(record, DeadLetterHeader.TRACE_ID),
            any(name == CUT_HEADER for name, _ in record.headers or ()),
        )

    @property
    def place(self) -> str:
        """The place of the dead letter itself, as commands take it: `topic:partition:offset`."""
        return f"{self.record.topic}:{self.record.partition}:{self.record.offset}"

    @property
    def origin_place(self) -> str:
        """The place of the refused record."""
        return f"{self.origin.topic}:{self.origin.partition}:{self.offset}"

    def original(self) -> RawRecord:
        """Return the refused record as it was: at its own place, with its own time, and with its own headers alone.

        A value that was truncated stays truncated.
        """
        headers = tuple((name, value) for name, value in self.record.headers or () if name not in OWN_HEADERS)
        return RawRecord(*self.origin, self.offset, self.timestamp, self.record.key, self.record.value, headers)

    def as_dict(self) -> Mapping[str, Any]:
        """Return what is known of it, without its content, as plain values."""
        return {
            "place": self.place,
            "origin": {"topic": self.origin.topic, "partition": self.origin.partition, "offset": self.offset},
            "timestamp": self.timestamp,
            "refused_at": self.refused_at,
            "stage": self.stage,
            "reason": self.reason,
            "text": self.text,
            "api_code": self.api_code,
            "request_id": self.request_id,
            "trace_id": self.trace_id,
            "bytes": len(self.record.value or b""),
            "is_cut": self.is_cut,
        }


def header_text(record: Record, name: str) -> str:
    """Return the text of a header; "" where the record has none. A dead letter that was a dead letter before has several: the last one counts."""
    values = [value for key, value in record.headers or () if key == name and value is not None]
    return values[-1].decode(errors="replace") if values else ""


def _number(record: Record, name: str) -> int:
    text = header_text(record, name)
    return int(text) if text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20 else -1  # noqa: PLR2004 - fits 64 bits
