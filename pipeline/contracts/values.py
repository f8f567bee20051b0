"""The small values that pass between the stages of the job. All are frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import NamedTuple

from schemas.log import Record


class Partition(NamedTuple):
    """One partition of one topic. It is equal to kafka-python's `TopicPartition`, and has the same hash."""

    topic: str
    partition: int


# --- dedup ---------------------------------------------------------------------------------------------------------------------


class Claim(NamedTuple):
    """A request for the sole right to report one message.

    `key` (16 bytes) identifies the message. `digest` (8 bytes) identifies its version: a message whose key is confirmed with another digest
    may be reported again (a user whose identities changed); with the same digest it is a duplicate. `origin` (8 bytes) identifies the
    record, so that a redelivered record can be told from another record with the same event. `order` says which of two versions the log tells
    later (see `message_order`); it is empty for a message without versions, such as an event.
    """

    key: bytes
    digest: bytes
    origin: bytes
    order: bytes = b""


class ClaimResult(IntEnum):
    """The dedup store's answer to a claim."""

    GRANTED = 0  # report it, then confirm or release
    HELD = 1  # an owner with a valid lease holds it: claim again later
    DUPLICATE = 2  # confirmed earlier from another record, or a newer version was
    REDELIVERED = 3  # the same, and this very record was read before


class StoreIdentity(NamedTuple):
    """Which dedup store this is. Two stores that know different messages have different identities.

    `id` is a random text that a store gets when it is created. `place` says where the store is, for a person: "in /var/lib/log2mq/shop".
    """

    id: str
    place: str

    @property
    def is_lasting(self) -> bool:
        """Whether the store outlives its process."""
        return not self.id.startswith(MEMORY_ID)


class StoreUsage(NamedTuple):
    """How full a dedup store is. None stands for what is not known, or has no limit.

    `keys` counts the entries, expired ones included, and on a server all keys of its database. `used_bytes` is the size of the table that may
    grow to `most_bytes`; on a server it is the memory of the whole server.
    """

    keys: int | None = None
    used_bytes: int | None = None
    most_bytes: int | None = None


MEMORY_ID = "memory-"
"""How the identity of a store begins that ends with its process."""


# --- report --------------------------------------------------------------------------------------------------------------------


class Exhausted(StrEnum):
    """The action for a batch after `Retry.limit` attempts have failed in the same way."""

    HALT = "halt"
    # The others halve the batch. A message is refused only by contrast: refused alone `limit` times, others being accepted in between. Without
    # a contrast it is held; at the end of the hold the job halts, or retries without end.
    ISOLATE_OR_HALT = "isolate_or_halt"
    ISOLATE_OR_RETRY = "isolate_or_retry"
    # The size of the call may be the reason, so a batch is halved at once. A message alone is judged as with ISOLATE_OR_HALT.
    HALVE_OR_HALT = "halve_or_halt"


class Delivered(NamedTuple):
    """The API took the whole batch. `took_ms`, here and in the other outcomes, is the time from the request to the whole answer, or to the failure.

    It is None where nobody measured it.
    """

    request_id: str = ""
    trace_id: str = ""
    took_ms: int | None = None


class Retry(NamedTuple):
    """The API did not take the batch, or its answer is not known. Send the same messages again with a new nonce, timestamp and signature.

    `after_ms` is the server's own hint. `in_doubt`: the request may have arrived, but the answer was lost. `outage`: every batch would
    fail in the same way, so the operation rests. `throttled`: the API takes calls, but fewer than were sent. `limit`: the number of attempts of one
    batch before `exhausted` applies; None means no limit.
    """

    code: str
    reason: str
    after_ms: int | None = None
    in_doubt: bool = False
    outage: bool = True
    throttled: bool = False
    limit: int | None = None
    exhausted: Exhausted = Exhausted.HALT
    request_id: str = ""
    trace_id: str = ""
    took_ms: int | None = None


class Refused(NamedTuple):
    """The content is wrong, without any doubt: halve the batch until the wrong message is alone, then dead-letter its record.

    No answer of Quick Audience proves that: its client returns a `Retry`, and the job looks for a contrast.
    """

    code: str
    reason: str
    request_id: str = ""
    trace_id: str = ""
    took_ms: int | None = None


class Halt(NamedTuple):
    """No batch can succeed until a person corrects something: stop, commit no offset after this batch, exit with a code that is not 0."""

    code: str
    reason: str
    request_id: str = ""
    trace_id: str = ""
    took_ms: int | None = None


class Unsent(NamedTuple):
    """The call was not written before its deadline: the claims of its messages may soon be another process's, or are already."""


Outcome = Delivered | Retry | Refused | Halt

# --- decode ---------------------------------------------------------------------------------------------------------------------


class Pending(NamedTuple):
    """The record cannot be decoded yet: its writer's schema is still being fetched from the Schema Registry.

    The job keeps the record, and decodes it again after `after_ms` at the earliest. `is_lost`: the time limit is over, or waiting cannot help.
    `may_pass`: a later start of the job may help.
    """

    reason: str
    after_ms: int
    is_lost: bool = False
    may_pass: bool = False


# --- source --------------------------------------------------------------------------------------------------------------------


class Commit(NamedTuple):
    """The commit of one partition: the lowest unfinished offset, and the books up to that offset as commit metadata."""

    offset: int
    metadata: str


class Assigned(NamedTuple):
    """Partitions that the source now owns. `start` maps each to its first offset to read and the metadata of its last commit ("" if none).

    `topic_ids` maps a topic to the broker's ID of it, where the broker has one: a topic that was deleted and created again has another ID.
    """

    start: Mapping[Partition, Commit]
    topic_ids: Mapping[str, str] = MappingProxyType({})


class Revoked(NamedTuple):
    """Partitions that the source no longer owns."""

    partitions: frozenset[Partition]


class Leaving(NamedTuple):
    """Partitions that another member is to own next. The source reads nothing more of them, and holds them until `Source.release`."""

    partitions: frozenset[Partition]


class LostToRetention(NamedTuple):
    """The offsets `first` to `last` (inclusive) of a partition are gone: most often Kafka's retention deleted them before they were read.

    Reading continues at `resumed_at`. Where that is `first`, the end of a replay's range is gone, and nothing comes behind it.
    """

    partition: Partition
    first: int
    last: int
    resumed_at: int


class Stalled(NamedTuple):
    """A partition returned no record though it has more to read. The source itself tries to end the stall."""

    partition: Partition


SourceEvent = Assigned | Revoked | Leaving | LostToRetention | Stalled


class SourceState(NamedTuple):
    """How a source stands with its brokers. `is_member`: it belongs to its group, or needs none. `is_away`: the brokers do not answer."""

    is_member: bool
    is_away: bool


class Polled(NamedTuple):
    """The result of one poll. It is handled in this order: first `events`, then `records`, then `positions`.

    `positions` holds the offset after everything returned so far, for each partition that has records or moved over a gap.
    """

    events: Sequence[SourceEvent]
    records: Mapping[Partition, Sequence[Record]]
    positions: Mapping[Partition, int]
