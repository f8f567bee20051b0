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

Answer = Sequence[Message] | Skipped | Refusal


def entry(  # noqa: PLR0913 - what a record has
    fields: Mapping[str, Any],
    *,
    topic: str = "test",
    partition: int = 0,
    offset: int = 0,
    timestamp: int = -1,
    key: bytes | None = None,
    value: bytes | None = b"",
    headers: Sequence[tuple[str, bytes | None]] = (),
    place: int = 0,
) -> LogEntry:
    """Make a decoded entry, as if a decoder had made it from a record at this place; `place` is which of its entries, from 0."""
    return LogEntry(fields, RawRecord(topic, partition, offset, timestamp, key, value, headers), place)


def check_transform(transform: Transform, entries: Iterable[LogEntry]) -> list[Answer]:
    """Run a transform over entries, all of them twice, and return what it answered.

    The second run begins anew, over copies: what a transform keeps from one entry to the next shows itself.

    Raises:
        AssertionError: it changed its input, answered differently the second time, or made a message that breaks the contract of
            `transforms.base` or the model of the API.
    """
    given = list(entries)
    answers = []
    for each in given:
        before = deepcopy(each.fields)
        answer = transform(each)
        _require(each.fields == before, "the transform changed its input")
        _check_answer(answer)
        answers.append(answer)
    for each, answer in zip(given, answers, strict=True):
        again = transform(LogEntry(deepcopy(each.fields), each.record, each.place))
        _require(again == answer, "the transform answered differently the second time")
    return answers


def _check_answer(answer: Answer) -> None:
    if isinstance(answer, Skipped | Refusal):
        return
    _require(len(answer) > 0, "the transform made no message; expected Skipped")
    kinds = [message.kind for message in answer]
    _require(Kind.USER not in kinds[kinds.count(Kind.USER) :], "an event came before a user message")
    for message in answer:
        model = EventMessage if message.kind is Kind.EVENT else CustomerMessage
        kept = {"organizationId", "workspaceId", "v"} & message.wire.keys()
        _require(not kept, f"the message has {', '.join(sorted(kept))}, which the job adds")
        _require(None not in message.wire.values(), "the message has a null; expected absent fields to be left out")
        try:
            model.model_validate({**message.wire, "organizationId": "organization"})
        except ValueError as error:
            raise AssertionError(f"the message breaks the model: {error}") from None


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - what is required
    if not holds:
        raise AssertionError(otherwise)
