"""How a message can end, and what that makes of a record that has no other message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.contracts.values import ClaimResult
from pipeline.job.books import MessageResult, RecordOutcome, RecordResult
from pipeline.job.counts import MessageOutcome
from transforms.base import Kind


class MessageEnd(NamedTuple):
    """How a message ended, and the record's result where it is the only message."""

    result: MessageResult
    alone: RecordResult
    outcome: MessageOutcome

    @classmethod
    def of(cls, alone: RecordOutcome, result: MessageResult, outcome: MessageOutcome) -> MessageEnd:
        """Return the end of a message; a record without another message has the outcome `alone`."""
        return cls(result, RecordResult(alone, ((result, 1),)), outcome)


REPORTED: Mapping[Kind, MessageEnd] = {
    Kind.EVENT: MessageEnd.of(RecordOutcome.REPORTED, MessageResult.EVENT_REPORTED, MessageOutcome.REPORTED),
    Kind.USER: MessageEnd.of(RecordOutcome.REPORTED, MessageResult.USER_REPORTED, MessageOutcome.REPORTED),
}
KNOWN: Mapping[tuple[ClaimResult, Kind], MessageEnd] = {
    (ClaimResult.DUPLICATE, Kind.EVENT): MessageEnd.of(
        RecordOutcome.DUPLICATE, MessageResult.EVENT_DUPLICATE, MessageOutcome.DUPLICATE
    ),
    (ClaimResult.DUPLICATE, Kind.USER): MessageEnd.of(
        RecordOutcome.DUPLICATE, MessageResult.USER_DUPLICATE, MessageOutcome.DUPLICATE
    ),
    (ClaimResult.REDELIVERED, Kind.EVENT): MessageEnd.of(
        RecordOutcome.REDELIVERED, MessageResult.EVENT_REDELIVERED, MessageOutcome.REDELIVERED
    ),
    (ClaimResult.REDELIVERED, Kind.USER): MessageEnd.of(
        RecordOutcome.REDELIVERED, MessageResult.USER_DUPLICATE, MessageOutcome.REDELIVERED
    ),
}
REFUSED_BY_API: Mapping[Kind, MessageEnd] = {
    Kind.EVENT: MessageEnd.of(RecordOutcome.DEAD_LETTERED, MessageResult.EVENT_REFUSED, MessageOutcome.REFUSED),
    Kind.USER: MessageEnd.of(RecordOutcome.DEAD_LETTERED, MessageResult.USER_REFUSED, MessageOutcome.REFUSED),
}
