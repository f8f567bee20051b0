"""What the author of a transform runs: entries made by hand, and a check of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from schemas.log import LogEntry, RawRecord
from schemas.refusal import Refusal
from transforms.base import Kind, Message, Skipped, Transform


def entry(
    fields: Mapping[str, Any],
    *,
    topic: str = "test",
    partition: int = 0,
    offset: int = 0,
    timestamp: int = -1,
    key: bytes | None = None,
    value: bytes | None = b"",
    headers: Sequence[tuple[str, bytes | None]] = (),
) -> LogEntry:
    """Make a decoded entry, as if a decoder had made it from a record at this place."""
    return LogEntry(fields, RawRecord(topic, partition, offset, timestamp, key, value, headers))


def check_transform(transform: Transform, entries: Iterable[LogEntry]) -> list[Sequence[Message] | Skipped | Refusal]:
    """Run a transform over entries, twice each, and return what it answered.

    Raises:
        AssertionError: it changed its input, answered differently the second time, or made a message that breaks the model of the API.
    """
    answers = []
    for each in entries:
        before = deepcopy(each.fields)
        answer = transform(each)
        assert each.fields == before, "the transform changed its input"  # noqa: S101 - a check for tests
        assert answer == transform(each), "the transform answered differently the second time"  # noqa: S101 - a check for tests
        if not isinstance(answer, Skipped | Refusal):
            for message in answer:
                model = EventMessage if message.kind is Kind.EVENT else CustomerMessage
                model.model_validate({**message.wire, "organizationId": "organization"})
        answers.append(answer)
    return answers
