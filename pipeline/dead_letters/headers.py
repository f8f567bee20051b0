"""What is written beside a dead letter: the record's own key, value and headers stay, and these headers are added.

None of them holds a value taken from the record: no identifier of a person goes into a header.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from schemas.log import Record
from schemas.refusal import Refusal


class DeadLetterHeader(StrEnum):
    """Every header log2mq adds. `docs/dead-letters.md` explains each; values are UTF-8 text."""

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


class DeadLetterHeaders:
    """Makes the headers of one source's dead letters."""

    def __init__(self, source: str, clock: Callable[[], int]) -> None:
        """`clock` gives Unix milliseconds."""
        self._source = source
        self._clock = clock

    def __call__(self, record: Record, refusal: Refusal) -> Sequence[tuple[str, bytes]]:
        """Return the headers to add; those without a value are left out."""
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
        return [(header.value, value.encode()) for header, value in values.items() if value]
