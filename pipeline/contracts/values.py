"""The small values that travel between the stages of the job. Frozen, but for the few that say who owns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import NamedTuple

from schemas.log import Record


class Partition(NamedTuple):
    """One partition of one topic. Equal to and hashed like kafka-python's `TopicPartition`."""

    topic: str
    partition: int


# --- dedup ---------------------------------------------------------------------------------------------------------------------


class Claim(NamedTuple):
    """A request for the sole right to report one message.

    `key` (16 bytes) says which message; `digest` (8 bytes) says which version of it: a key already confirmed with another digest may be
    reported anew (a user whose identities changed), with the same digest it is a duplicate. `origin` (8 bytes) says which record asks, so
    that a record read a second time is told from a repeat of the event in another record.
    """

    key: bytes
    digest: bytes
    origin: bytes


class ClaimResult(IntEnum):
    """The dedup store's answer to a claim."""

    GRANTED = 0  # report it, then confirm or release
    HELD = 1  # someone living holds it: ask again later
    DUPLICATE = 2  # confirmed before, from another record
    REDELIVERED = 3  # confirmed before, from this very record


# --- report --------------------------------------------------------------------------------------------------------------------


class Exhausted(StrEnum):
    """What to do with a batch once `Retry.limit` attempts have failed the same way."""

    HALT = "halt"
    # The next two halve the batch, and refuse a message only where others were accepted between two refusals of it alone; else they halt or go on.
    ISOLATE_OR_HALT = "isolate_or_halt"
    ISOLATE_OR_RETRY = "isolate_or_retry"


class Delivered(NamedTuple):
    """The API took the whole batch."""

    request_id: str = ""
    trace_id: str = ""


class Retry(NamedTuple):
    """Not taken this time, or not known to be. Send the same messages again under a new nonce, timestamp and signature.

    `after_ms` is the server's own hint. `in_doubt`: the answer was lost after the request may have arrived. `outage`: every batch would
    fare the same, so the destination rests. `limit`: attempts of one batch before `exhausted` applies; None is for ever.
    """

    code: str
    reason: str
    after_ms: int | None = None
    in_doubt: bool = False
    outage: bool = True
    limit: int | None = None
    exhausted: Exhausted = Exhausted.HALT
    request_id: str = ""
    trace_id: str = ""


class Refused(NamedTuple):
    """The content is wrong: halve the batch until the bad message is alone, then dead-letter its record."""

    code: str
    reason: str
    request_id: str = ""
    trace_id: str = ""


class Halt(NamedTuple):
    """No batch can succeed until a person mends something: stop, commit nothing past it, exit non-zero."""

    code: str
    reason: str
    request_id: str = ""
    trace_id: str = ""


Outcome = Delivered | Retry | Refused | Halt

# --- decode ---------------------------------------------------------------------------------------------------------------------


class Pending(NamedTuple):
    """A record cannot be read now, through no fault of its own: what it was written by must be asked for, and the answer is not there.

    It is held, and read again no sooner than in `after_ms`. `is_lost`: waiting has lasted as long as it may, or will not mend it.
    """

    reason: str
    after_ms: int
    is_lost: bool = False


# --- source --------------------------------------------------------------------------------------------------------------------


class Commit(NamedTuple):
    """What may be committed for a partition: the lowest unfinished offset, and the books up to it as commit metadata."""

    offset: int
    metadata: str


class Assigned(NamedTuple):
    """Partitions now owned. `start` maps each to the offset it is read from and its last commit's metadata ("" if none)."""

    start: Mapping[Partition, Commit]


class Revoked(NamedTuple):
    """Partitions no longer owned. `committed` holds what the source managed to commit on the way out."""

    partitions: frozenset[Partition]


class LostToRetention(NamedTuple):
    """Offsets `first` to `last` (inclusive) of a partition are gone; reading goes on at `resumed_at`."""

    partition: Partition
    first: int
    last: int
    resumed_at: int


class Stalled(NamedTuple):
    """A partition stood still though it had more to read. The source does what can be done about it."""

    partition: Partition


SourceEvent = Assigned | Revoked | LostToRetention | Stalled


class Polled(NamedTuple):
    """One poll's worth, in the order it must be handled: first `events`, then `records`, then `positions`.

    `positions` holds, per partition of `records` or with progress over a gap, the offset after everything returned so far.
    """

    events: Sequence[SourceEvent]
    records: Mapping[Partition, Sequence[Record]]
    positions: Mapping[Partition, int]
