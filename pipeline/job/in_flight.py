"""The records that are read and not finished, their messages, and how they end. Owned and changed by the owner thread alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.contracts.values import Claim, Refused
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.job.books import FILTERED, REFUSED, MessageResult, RecordOutcome, RecordResult
from pipeline.job.counts import Counts, MessageOutcome
from pipeline.job.judgements import Judged, Judgement
from pipeline.job.message_end import REFUSED_BY_API, REPORTED, MessageEnd
from pipeline.job.partition_offsets import PartitionOffsets
from schemas.log import Record
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind

RECORD_OVERHEAD_BYTES = 1024
"""What each message, or the dead letter, of an unfinished record costs beside the record's value, so that many small ones are bounded too."""

HEADER_OVERHEAD_BYTES = 128
"""What each header of an unfinished record costs beside its name and value."""


class PendingMessage:
    """One message on its way: its JSON object as bytes, and the claim under which it is reported.

    The converter makes it; `InFlight.open` sets `record`.
    """

    __slots__ = ("body", "claim", "event_code", "in_doubt", "judged", "kind", "record")
    record: PendingRecord

    def __init__(self, kind: Kind, body: bytes, claim: Claim, event_code: str = "") -> None:
        self.kind = kind
        self.event_code = event_code  # of an event
        self.body = body
        self.claim = claim
        self.in_doubt = False  # the answer of a call with it was lost: it may have been reported
        self.judged: Judged | None = None  # after a refusal: by an earlier run, or by this one

    @property
    def judgement(self) -> Judgement:
        """What is known of the cause of its refusals."""
        return Judgement.NONE if self.judged is None else self.judged.judgement

    @property
    def is_stale(self) -> bool:
        """Whether the partition of its record was revoked: its next owner reads the record again."""
        return self.record.offsets.closed


class PendingRecord:
    """One unfinished record. It ends when its last message has ended."""

    __slots__ = ("counts", "gated", "offsets", "open", "raw", "read_in", "refusal", "refused", "weight")

    def __init__(self, raw: Record, offsets: PartitionOffsets, weight: int, read_in: int = 0) -> None:
        self.raw = raw
        self.offsets = offsets
        self.weight = weight  # bytes that it counts for against `limits.in_flight`
        self.read_in = read_in  # the half window of the dead-letter limit in which it was read
        self.open = 0  # messages that have not ended
        self.gated: Sequence[PendingMessage] = ()  # events that wait until the record's identities are reported
        self.refusal: Refusal | None = None
        self.refused: Sequence[PendingMessage] = ()  # its messages that have a judgement
        self.counts: list[int] | None = None  # None for a record with one message

    def result(self) -> RecordResult:
        """Sum up how the messages ended. The outcome is dead-lettered if one was refused, else the best of them."""
        counts = self.counts or (0,) * len(MessageResult)
        reported, _, redelivered, _, users_reported, _, _ = counts
        if self.refusal is not None:
            outcome = RecordOutcome.DEAD_LETTERED
        elif reported or users_reported:
            outcome = RecordOutcome.REPORTED
        elif redelivered:
            outcome = RecordOutcome.REDELIVERED
        else:
            outcome = RecordOutcome.DUPLICATE
        return RecordResult(
            outcome, tuple((kind, count) for kind, count in zip(MessageResult, counts, strict=True) if count)
        )


def _key_and_headers_bytes(raw: Record) -> int:
    """Return what the key and the headers of a record cost."""
    sizes = [HEADER_OVERHEAD_BYTES + len(name) + len(content or b"") for name, content in raw.headers or ()]
    return len(raw.key or b"") + sum(sizes)


class InFlight:
    """Opens records, closes their messages, and ends a record when its last message has ended or its dead letter is durable."""

    def __init__(
        self,
        dead_letter: Callable[[PendingRecord], None],
        limit: DeadLetterLimit,
        counts: Counts | None = None,
        unix_clock: Callable[[], int] = lambda: 0,
    ) -> None:
        """`dead_letter` begins to dead-letter a refused record; `end_dead_lettered` ends the record. `limit` counts the records read.

        `counts` counts messages and dead letters. `unix_clock` returns Unix ms: Kafka's times of records are compared with it.
        """
        self._dead_letter = dead_letter
        self._limit = limit
        self._counts = counts or Counts()
        self._unix_clock = unix_clock
        self.finished = 0
        """All records finished so far."""

    def open(
        self, raw: Record, offsets: PartitionOffsets, messages: Sequence[PendingMessage], refusal: Refusal | None
    ) -> Sequence[PendingMessage]:
        """Open a converted record and return the messages to be claimed now.

        A record without messages is filtered, or dead-lettered where `refusal` says why.
        """
        read_in = self._limit.read()
        if not messages and refusal is None:
            self._end(raw.offset, offsets, FILTERED)
            return messages
        weight = len(raw.value or b"") + RECORD_OVERHEAD_BYTES * (len(messages) or 1)
        for message in messages:
            weight += len(message.body)
        if raw.headers or raw.key:
            weight += _key_and_headers_bytes(raw)
        offsets.unfinished_bytes += weight
        record = PendingRecord(raw, offsets, weight, read_in)
        record.refusal = refusal
        if not messages:
            self._dead_letter(record)  # it keeps its weight until its dead letter is durable
            return messages
        record.open = len(messages)
        for message in messages:
            message.record = record
        if len(messages) == 1 and refusal is None:
            return messages
        record.counts = [0] * len(MessageResult)
        users = [message for message in messages if message.kind is Kind.USER]
        if not users or len(users) == len(messages):
            return messages
        # Identities reach the API no later than the events that need them (reference, section 8).
        record.gated = [message for message in messages if message.kind is Kind.EVENT]
        return users

    def close(self, message: PendingMessage, end: MessageEnd) -> Sequence[PendingMessage]:
        """Close a message that has ended, and end its record if it was the last one. Return the events that waited for it."""
        record = message.record
        record.offsets.message_results[end.result] += 1
        if end.outcome is not MessageOutcome.REPORTED:  # those are counted together
            self._counts.ended(message.kind, message.event_code, end.outcome)
        if record.counts is None:  # its only message, as in most records
            record.offsets.unfinished_bytes -= record.weight
            self._end(record.raw.offset, record.offsets, end.alone)
            return ()
        record.open -= 1
        record.counts[end.result] += 1
        if not record.open:
            if record.refusal is not None:
                self._dead_letter(record)
            else:
                record.offsets.unfinished_bytes -= record.weight
                self._end(record.raw.offset, record.offsets, record.result())
        elif record.gated and record.open == len(record.gated):
            released, record.gated = record.gated, ()
            return released
        return ()

    def close_reported(self, messages: Sequence[PendingMessage]) -> list[PendingMessage]:
        """Close messages that were reported. Return the events that waited for them.

        The records with one message, which are most, are ended together.
        """
        if messages:
            self._counts.reported(
                [message.event_code for message in messages],
                [message.record.raw.timestamp for message in messages],
                self._unix_clock(),
            )
        released: list[PendingMessage] = []
        alone: dict[tuple[PartitionOffsets, Kind], list[PendingRecord]] = {}
        records: list[PendingRecord] = []
        offsets, kind = None, None
        for message in messages:
            record = message.record
            if record.counts is not None:
                released += self.close(message, REPORTED[message.kind])
                continue
            if record.offsets is not offsets or message.kind is not kind:
                offsets, kind = record.offsets, message.kind
                records = alone.setdefault((offsets, kind), [])
            records.append(record)
        for (offsets, kind), records in alone.items():
            self._close_alone(offsets, records, REPORTED[kind])
        return released

    def refuse(self, message: PendingMessage, refused: Refused) -> Sequence[PendingMessage]:
        """Close a message that the API refuses for good. Return the events that waited for it."""
        record = message.record
        record.refusal = Refusal(
            Stage.REPORT, ReasonCode.API_REFUSED, refused.reason, refused.code, refused.request_id, refused.trace_id
        )
        record.counts = record.counts or [0] * len(MessageResult)
        if message.judgement is not Judgement.NONE:
            record.refused = [*record.refused, message]
        return self.close(message, REFUSED_BY_API[message.kind])

    def end_dead_lettered(self, record: PendingRecord) -> None:
        """End a record whose dead letter is durable and remembered."""
        record.offsets.unfinished_bytes -= record.weight
        if record.refusal is not None and not record.offsets.closed:
            self._counts.dead_lettered(record.refusal.stage, record.refusal.code)
        self._end(record.raw.offset, record.offsets, record.result() if record.counts else REFUSED)

    def _close_alone(self, offsets: PartitionOffsets, records: Sequence[PendingRecord], end: MessageEnd) -> None:
        """Close the only messages of records of one partition."""
        offsets.message_results[end.result] += len(records)
        offsets.unfinished_bytes -= sum([record.weight for record in records])
        if not offsets.closed:
            offsets.end_all([record.raw.offset for record in records], end.alone)
            self.finished += len(records)

    def _end(self, offset: int, offsets: PartitionOffsets, result: RecordResult) -> None:
        if not offsets.closed:
            offsets.end(offset, result)
            self.finished += 1
