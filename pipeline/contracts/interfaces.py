"""The protocols between the rooms of the job. Each says which calls may block, which errors they raise and what the caller must do.

One thread (the owner) runs the job and owns all state; it alone calls `Decoder`, `Transform`, `DedupStore`, `Source` and `DeadLetters`.
Each `Reporter` is called by one sender thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from pipeline.contracts.pauses import Pauses
from pipeline.contracts.rate_table import RateTable
from pipeline.contracts.values import (
    Claim,
    ClaimResult,
    Commit,
    Outcome,
    Partition,
    Pending,
    Polled,
    SourceState,
    StoreIdentity,
    StoreUsage,
    Unsent,
)
from schemas.log import Record
from schemas.refusal import Refusal
from transforms.base import Kind, Skipped

Fields = Mapping[str, Any]
Decoded = Fields | list[Fields | Refusal] | Skipped | Refusal | Pending
"""The content of a value: the fields of one entry; or several entries in order, each of them fields or a refusal; or a refusal of the whole value.

`Skipped` says why a value has no entry on purpose: a setting filters it, or it is a tombstone or a header row.

`Pending` is not a result yet: the caller decodes the same record again later, all of its values.
"""


class Decoder(Protocol):
    """Turns a record's value into fields. Never blocks, and raises nothing for any value. The same value gives the same result, except for `Pending`."""

    def __call__(self, value: bytes) -> Decoded:
        """Return the decoded fields, or why there are none. An empty list is a record without an entry. A list holds neither lists nor `Skipped`."""
        ...


StoreWait = Callable[[str, int], bool]
"""What the owner of a store does while the store does not answer: it shows the reason, waits for at most this time in ms, and returns True.
It returns False, without waiting, where the store must not be waited for any more, as after a stop."""


class DedupStore(Protocol):
    """Remembers which messages were reported. May block for a disk or a network round trip; raises `StoreUnavailable` when it cannot answer.

    A store on a server waits for a server that does not answer, and an embedded one for a process that keeps it locked: for at most
    `dedup.give_up_after`, and as long as its `StoreWait` allows it.

    The store is opened under an owner's name, and its claims belong to that owner. They last while the owner renews its lease. A claim not
    renewed in time counts as released. Leases and the time to live follow the store's own clock, which all processes that share the store read;
    a store says what its clock is, and what may set it.
    """

    @property
    def identity(self) -> StoreIdentity:
        """Which store this is. It stays the same as long as the store knows what it was told."""
        ...

    def claim(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the result of each claim, in order. A second claim of a key is HELD while the first is unfinished, also within one call.

        A version older than the confirmed one (`message_order`) is never granted. If the log tells the confirmed version again, in a record
        that is not older, the store remembers the order of that record, with the next `sync`; the time to live and the origin stay. A claim of
        another version whose owner ended leaves the confirmed one in doubt: if the log tells that one again, later, its claim is granted.
        """
        ...

    def look_up(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the results that `claim` would return now, and change nothing."""
        ...

    def confirm(self, claims: Sequence[Claim]) -> None:
        """Remember the messages as reported, for the time to live, whichever owner holds the claims now. Every process that shares the store sees it.

        A store whose disk is full still remembers them, as far as it can, and raises in `sync`: then no offset moves, and nothing is sent twice.
        A version older than the confirmed one changes nothing but the claim: it is the late answer of a process whose lease lapsed.
        """
        ...

    def release(self, claims: Sequence[Claim], *, in_doubt: bool = False) -> None:
        """Give the claims back without a report. A confirmed claim, and a claim of another owner, stays as it is.

        `in_doubt`: a call with these messages had no answer, so they may have been reported. It leaves the confirmed versions in doubt, as the
        end of an owner does.
        """
        ...

    def renew(self) -> None:
        """Extend this owner's lease, and so its claims, to a whole lease from now. The caller renews at least three times a lease."""
        ...

    def sync(self) -> None:
        """Block until everything confirmed so far survives a crash of the machine. The caller does so before it commits offsets."""
        ...

    def sweep(self) -> int:
        """Take one bounded step of the store's upkeep, and return the number of expired keys that were deleted. Cheap enough to call four times a second."""
        ...

    def usage(self) -> StoreUsage:
        """Return how full the store is. It does not wait for a store that does not answer: then nothing is known."""
        ...

    def rates(self) -> RateTable:
        """Return the table of rates that all processes of the store share. It follows the store's clock."""
        ...

    def close(self) -> None:
        """Release this owner's lease and close. Safe to call twice."""
        ...


def never_late() -> bool:
    """Say that it is not too late, whenever it is."""
    return False


class Reporter(Protocol):
    """Sends one batch to one of the two APIs. Blocks up to its time limits. Raises nothing for a failure of the network or of the server."""

    def report(
        self, kind: Kind, messages: Sequence[bytes], is_late: Callable[[], bool] = never_late
    ) -> Outcome | Unsent:
        """Report the messages in one signed request, with a new nonce and timestamp each time. Each message is one JSON object, as bytes.

        `is_late` is asked before each write. Where it is, nothing more is written, and the outcome is `Unsent`: the server does not have
        the whole request.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class SenderPool(Protocol):
    """Threads that each send one batch at a time."""

    @property
    def idle(self) -> int:
        """The number of threads that have nothing to do."""
        ...

    def submit(self, batch: object, kind: Kind, messages: Sequence[bytes], deadline_ms: int) -> None:
        """Hand the messages of a batch to an idle thread. `collect` returns the outcome with `batch`.

        At `deadline_ms` or later its thread writes nothing more, and the outcome is `Unsent`.
        """
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait for an outcome, and return whether there is one to collect."""
        ...

    def collect(self) -> list[tuple[object, Outcome | Unsent]]:
        """Return the outcomes that arrived, without waiting."""
        ...


class Source(Protocol):
    """Reads one source's records and commits its offsets. Blocks only in `poll` (up to its time limit), `commit` and `close`."""

    def poll(self, timeout_ms: int, committable: Mapping[Partition, Commit], most_bytes: int) -> Polled:
        """Return the records that arrived and the events of the partitions, such as a rebalance.

        No record follows after `most_bytes` of records, unpacked; the last one may be larger. What is left is returned by later calls.
        `committable` holds the offsets that may be committed now: when partitions are revoked during this call, the source commits their
        offsets before it gives them up. Raises `SourceUnavailable` when the brokers do not answer for longer than `kafka.give_up_after`, or
        for an error that waiting cannot end.
        """
        ...

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:
        """Commit, and return True if the brokers accepted it. False after a rebalance or without a coordinator: the caller tries again later."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read the partition from `offset` next. A paused partition stays paused."""
        ...

    @property
    def pauses(self) -> Pauses:
        """What is not read for now, and why. `poll` returns no record of these partitions. A partition that is assigned begins without a pause."""
        ...

    def release(self, partitions: Collection[Partition]) -> None:
        """Let go of partitions that `Leaving` named. Another member reads them next, from their committed offsets."""
        ...

    def lag(self) -> dict[Partition, int]:
        """Return the lag of each assigned partition, as far as it is known without a call to the brokers."""
        ...

    def state(self) -> SourceState:
        """Return how the source stands with its brokers, without a call to them."""
        ...

    def close(self) -> None:
        """Leave the group. Commits nothing."""
        ...


class DeadLetters(Protocol):
    """Writes refused records to the dead-letter topic. Blocks only in `close`. The caller bounds the memory: a record is in flight until it is durable."""

    @property
    def topic(self) -> str:
        """The name of the topic."""
        ...

    @property
    def is_writing(self) -> bool:
        """Whether dead letters were begun that may still become durable: neither refused nor given up."""
        ...

    @property
    def is_away(self) -> bool:
        """Whether dead letters wait, and the topic has taken none for some seconds."""
        ...

    def send(self, record: Record, refusal: Refusal) -> None:
        """Begin to write the dead letter of a record, and return at once."""
        ...

    def durable(self) -> list[Record]:
        """Return the records whose dead letters became durable since the last call.

        Raises `DeadLetterUnavailable` when the topic refuses one for good, or takes nothing for longer than `kafka.give_up_after`. Then call it again.
        """
        ...

    def forget(self, partitions: Collection[Partition]) -> list[Record]:
        """Drop the dead letters of these partitions that no producer holds yet, and return their records."""
        ...

    def close(self) -> None:
        """Close. A dead letter that is not durable by now may be written or not. Blocks for a few seconds at most."""
        ...
