"""The headers that log2mq adds to a dead letter. The record's own key, value and headers stay.

No header has a value from the record's content, so no identifier of a person is in a header. Each value is one line without control characters: tools
print headers as they are, and a reason may name a thing from outside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum

from pipeline.control_characters import one_line
from schemas.log import Record
from schemas.refusal import Refusal


class DeadLetterHeader(StrEnum):
    """All headers that log2mq adds, with UTF-8 text as values. `docs/dead-letters.md` explains each."""

    SOURCE = "log2mq-source"
    TOPIC = "log2mq-topic"
    PARTITION = "log2mq-partition"
    OFFSET = "log2mq-offset"
    TIMESTAMP = "log2mq-timestamp"
    REFUSED_AT = "log2mq-refused-at"
    STAGE = "log2mq-stage"
    REASON = "log2mq-reason"
    REASON_TEXT = "log2mq-reason-text"
    API_CODE = "log2mq-api-code"
    REQUEST_ID = "log2mq-request-id"
    TRACE_ID = "log2mq-trace-id"


CUT_HEADER = "log2mq-value-cut"
"""A header of a dead letter without its whole value, which was too large to be read, or for the topic: the number of bytes that the value had."""

UNKNOWN_SIZE = b"unknown"
"""The value of `CUT_HEADER` where nobody knows the size."""

_TIME = re.compile(rb"-1|[0-9]{1,18}")


class DeadLetterHeaders:
    """Creates the headers of the dead letters of one source."""

    def __init__(self, source: str, clock: Callable[[], int]) -> None:
        """Begin. `clock` gives Unix milliseconds."""
        self._source = source
        self._clock = clock

    def __call__(self, record: Record, refusal: Refusal) -> Sequence[tuple[str, bytes]]:
        """Return the headers to add, without headers that have no value."""
        values = {
            DeadLetterHeader.SOURCE: self._source,
            DeadLetterHeader.TOPIC: record.topic,
            DeadLetterHeader.PARTITION: str(record.partition),
            DeadLetterHeader.OFFSET: str(record.offset),
            DeadLetterHeader.TIMESTAMP: str(record.timestamp),
            DeadLetterHeader.REFUSED_AT: str(self._clock()),
            DeadLetterHeader.STAGE: refusal.stage.value,
            DeadLetterHeader.REASON: refusal.code.value,
            DeadLetterHeader.REASON_TEXT: refusal.reason,
            DeadLetterHeader.API_CODE: refusal.api_code,
            DeadLetterHeader.REQUEST_ID: refusal.request_id,
            DeadLetterHeader.TRACE_ID: refusal.trace_id,
        }
        return [(header.value, one_line(value).encode()) for header, value in values.items() if value]


def first_written_ms(record: Record) -> int:
    """Return the time at which a record was written to its first topic, in Unix ms, or a negative number if it has no time.

    A dead letter that is read again as a record has the time of the dead-letter topic; its header has the time of the record.
    """
    for name, value in record.headers or ():
        if name == DeadLetterHeader.TIMESTAMP and value is not None and _TIME.fullmatch(value):
            return int(value)
    return (
        -1 if record.timestamp is None else record.timestamp
    )  # kafka-python has none for the oldest format of records
