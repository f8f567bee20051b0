"""What the job carries for each unfinished record, and for each message made from it. Owned and changed by the owner thread alone."""

from __future__ import annotations

from pipeline.contracts.values import Claim
from pipeline.job.books import RecordOutcome, RecordResult
from pipeline.job.offsets import PartitionOffsets
from schemas.log import Record
from schemas.refusal import Refusal
from transforms.base import Kind


class PendingRecord:
    """One unfinished record: it ends when its last message has ended."""

    __slots__ = ("counts", "gated", "offsets", "open", "record", "refusal", "weight")

    def __init__(self, record: Record, offsets: PartitionOffsets, weight: int) -> None:
        self.record = record
        self.offsets = offsets
        self.weight = weight  # bytes this record counts for against `limits.in_flight`
        self.open = 0  # messages not ended
        self.gated: list[PendingMessage] | None = None  # events that wait until the record's identities are reported
        self.refusal: Refusal | None = None
        self.counts: list[int] | None = None  # only where a record made several messages

    def ending(self) -> RecordResult:
        """Sum up how the messages ended; the fate is dead-lettered if any was refused, else the best of them."""
        reported, duplicate, redelivered, refused, users_reported, users_duplicate, users_refused = (
            self.counts or (0,) * 7
        )
        if self.refusal is not None:
            fate = RecordOutcome.DEAD_LETTERED
        elif reported or users_reported:
            fate = RecordOutcome.REPORTED
        elif redelivered:
            fate = RecordOutcome.REDELIVERED
        else:
            fate = RecordOutcome.DUPLICATE
        return RecordResult(
            fate, reported, duplicate, redelivered, refused, users_reported, users_duplicate, users_refused
        )


class PendingMessage:
    """One message on its way: its JSON object as bytes, and the claim it is reported under.

    Made from a record before there is a ticket for that; the loop sets `ticket` when it takes the record in.
    """

    __slots__ = ("body", "claim", "kind", "ticket")
    ticket: PendingRecord

    def __init__(self, kind: Kind, body: bytes, claim: Claim) -> None:
        self.kind = kind
        self.body = body
        self.claim = claim

    @property
    def is_stale(self) -> bool:
        """Whether its record's partition was taken away: whoever owns that now reads the record again."""
        return self.ticket.offsets.closed
