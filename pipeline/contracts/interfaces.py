"""Every contract between the rooms of the job: what may block, what may raise, what the caller owes.

One thread (the owner) runs the job and owns all state; it alone calls `Decoder`, `Transform`, `DedupStore`, `Source` and `DeadLetters`.
A `Reporter` is called by one sender thread, its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from pipeline.contracts.values import Claim, ClaimResult, Commit, Outcome, Partition, Pending, Polled
from schemas.log import Record
from schemas.refusal import Refusal
from transforms.base import Kind, Skipped

Fields = Mapping[str, Any]
Decoded = Fields | list[Fields | Refusal] | Skipped | Refusal | Pending
"""What a value holds: one entry's fields; or several entries in their order, each by itself fields or a refusal; or a refusal of it all.

`Skipped` says why there is no entry where that is on purpose: a setting filters it, or it stands for nothing.

`Pending` is no answer: the same value is to be asked about again, and everything of its record with it.
"""


class Decoder(Protocol):
    """Turns a record's value into fields. Never blocks, never raises for what a record can hold; the same value gives the same answer, but for `Pending`."""

    def __call__(self, value: bytes) -> Decoded:
        """Return the decoded fields, or why there are none. An empty list is a record without an entry; a list holds no list, and nothing that is skipped."""
        ...


class DedupStore(Protocol):
    """Remembers what was reported. May block for a disk or a network round trip; raises `StoreUnavailable` when it cannot answer.

    Claims belong to the owner the store was opened as and last while that owner's lease is renewed. A claim not renewed in time
    counts as released. All times are Unix milliseconds given by the caller.
    """

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Answer each claim, in order. The second of two equal keys in one call, or while its first is unfinished, is HELD."""
        ...

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark as reported, for the time to live; whoever holds the claim now. Visible to every process that shares the store."""
        ...

    def release(self, claims: Sequence[Claim]) -> None:
        """Give the claims back unreported. A claim that is confirmed, or that another owner holds, is left as it is."""
        ...

    def renew(self, now_ms: int) -> None:
        """Keep this owner's claims alive for another lease. The caller does so at least three times a lease."""
        ...

    def sync(self) -> None:
        """Return once everything confirmed so far survives a crash of the machine. Called before offsets move."""
        ...

    def sweep(self, now_ms: int) -> int:
        """Forget a bounded number of expired keys and return how many; cheap enough to be called every second."""
        ...

    def close(self) -> None:
        """Release this owner's lease and close. Safe to call twice."""
        ...


class Reporter(Protocol):
    """Sends one batch to one of the two APIs. Blocks up to its time limits; never raises for what a network or server can do."""

    def report(self, kind: Kind, messages: Sequence[bytes]) -> Outcome:
        """Report the messages, each one JSON object as bytes, as one signed request, with a new nonce and timestamp every time."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Source(Protocol):
    """Reads one source's records and keeps its offsets. Blocks only in `poll` (up to its time limit), `commit` and `close`."""

    def poll(self, timeout_ms: int, committable: Mapping[Partition, Commit]) -> Polled:
        """Return what arrived, rebalances included, as values.

        `committable` is what may be committed now: when partitions are revoked during this call, the source commits theirs before it
        lets go. Raises `SourceUnavailable` when the brokers stay away longer than `kafka.give_up_after`, or for what will not mend itself.
        """
        ...

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:
        """Commit and say whether the brokers took it. False after a rebalance or while a coordinator is away: not fatal, try again."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read the partition from `offset` next."""
        ...

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Return no records of these partitions until they are resumed. A newly assigned partition is never paused."""
        ...

    def resume(self, partitions: Sequence[Partition]) -> None:
        """End a pause."""
        ...

    def lag(self) -> dict[Partition, int]:
        """Records not yet read, per assigned partition, as far as known without asking the brokers."""
        ...

    def close(self) -> None:
        """Leave the group. Commits nothing."""
        ...


class DeadLetters(Protocol):
    """Keeps refused records. Never blocks but in `close`. Memory is bounded by the caller, for whom a record counts until it is durable."""

    def send(self, record: Record, refusal: Refusal) -> None:
        """Begin to write a record; returns at once."""
        ...

    def durable(self) -> list[Record]:
        """Return the records whose dead letters became durable since the last call.

        Raises `DeadLetterUnavailable` when the topic refuses for good, or takes nothing for longer than `kafka.give_up_after`.
        """
        ...

    def forget(self, partitions: Collection[Partition]) -> None:
        """Let go of what was not begun of partitions that are another's now, or begin anew: their records are read again."""
        ...

    def close(self) -> None:
        """Finish what was begun, as long as it is taken, and close. Blocks for a few seconds at most."""
        ...
