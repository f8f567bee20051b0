"""The tables of one boot: leases, claims, and recent confirmations. All processes of the host share them through one LMDB environment.

They are never flushed. The kernel keeps them when a process dies. A crash of the machine ends every claim, and the confirmations are in the
journals.

Confirmations are appended to the log of the current *round*. When the round before has been moved to the durable table, the current round is
frozen and the next one begins. So every confirmed key is at any moment in the current round, the frozen round or the durable table. An older
entry never replaces a newer one: the frozen log does not change, and the next round is moved only after it. Confirmations are appended as one
part a `confirm`; inserting random keys into the B-tree would write one page for each key.

The caller passes a transaction of the environment to every method.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from pipeline.dedup.entry import KEY_BYTES, ORDERED_BYTES, PLAIN_BYTES
from pipeline.dedup.lmdb_store.environment import Transaction

DATABASES = 6

ENTRIES = {size: struct.Struct(f"{KEY_BYTES}s{size}s") for size in (PLAIN_BYTES, ORDERED_BYTES)}
"""The bytes of one confirmation in a log, key and value, by the size of its value."""

_MOVED = b"\xff" * 17
"""The bytes that sort after every key."""


def blocks(entries: Sequence[bytes]) -> dict[int, bytes]:
    """Return entries, each a key and its value, as blocks: the entries of each size of a value one after the other, in their order."""
    whole = b"".join(entries)
    if len(whole) == len(entries) * (KEY_BYTES + PLAIN_BYTES):  # as in most calls: no entry has an order
        return {PLAIN_BYTES: whole}
    by_size = {size: b"".join([each for each in entries if len(each) == KEY_BYTES + size]) for size in ENTRIES}
    return {size: block for size, block in by_size.items() if block}


class Round(NamedTuple):
    """The current round, and how far the frozen round has been moved."""

    number: int = 1
    began_ms: int = 0
    moved_ms: int = 0
    moved_to: bytes = _MOVED

    @property
    def is_moved(self) -> bool:
        """Whether the whole frozen round is in the durable table."""
        return self.moved_to == _MOVED

    def moved(self, last: bytes | None, now_ms: int) -> Round:
        """Return the state after a slice that ended with the key `last`, or with None if no entry was left."""
        return self._replace(moved_ms=now_ms, moved_to=_MOVED if last is None else last + b"\0")

    def write(self) -> bytes:
        """Return the state as bytes."""
        return b"".join(part.to_bytes(8) for part in self[:3]) + self.moved_to

    @classmethod
    def read(cls, value: bytes | None) -> Round:
        """Return the state from the bytes of `write`, or the first state for None."""
        if value is None:
            return cls()
        number, began_ms, moved_ms = (int.from_bytes(value[at : at + 8]) for at in (0, 8, 16))
        return cls(number, began_ms, moved_ms, value[24:])


class RecentTables:
    """The named tables of the environment, and their operations."""

    def __init__(self, environment: Any) -> None:
        self._claims = environment.open_db(b"claims")
        self._leases = environment.open_db(b"leases")
        self._meta = environment.open_db(b"meta")
        self._logs = (environment.open_db(b"log-0"), environment.open_db(b"log-1"))
        self.rates = environment.open_db(b"rates")
        self._orphans_from = b""

    def round(self, transaction: Transaction) -> Round:
        """Return the state of the rounds."""
        return Round.read(transaction.get(b"round", db=self._meta))

    def set_round(self, transaction: Transaction, state: Round) -> None:
        """Write the state of the rounds."""
        transaction.put(b"round", state.write(), db=self._meta)

    def swept_to(self, transaction: Transaction) -> bytes:
        """Return the key from which the next sweep of the durable table goes on, in any process."""
        return bytes(transaction.get(b"swept_to", b"", db=self._meta))

    def set_swept_to(self, transaction: Transaction, key: bytes) -> None:
        """Write the key from which the next sweep goes on."""
        transaction.put(b"swept_to", key, db=self._meta)

    # --- claims and leases -----------------------------------------------------------------------------------------------------

    def held(self, transaction: Transaction, keys: Sequence[bytes], now_ms: int) -> tuple[set[bytes], set[bytes]]:
        """Return those of the sorted keys that a living owner holds, and those whose owner has ended."""
        found = transaction.cursor(self._claims).getmulti(keys)
        if not found:
            return set(), set()
        living = self.living(transaction, now_ms)
        held = {key for key, owner in found if owner in living}
        return held, {key for key, _ in found} - held

    def hold(self, transaction: Transaction, keys: Sequence[bytes], owner: bytes) -> None:
        """Write claims of an owner."""
        if keys:
            transaction.cursor(self._claims).putmulti([(key, owner) for key in sorted(keys)])

    def release(self, transaction: Transaction, keys: Iterable[bytes], owner: bytes) -> None:
        """Delete the claims of the keys that belong to the owner."""
        claims = transaction.cursor(self._claims)
        for key in keys:
            holder = claims.pop(key)
            if holder is not None and holder != owner:
                claims.put(key, holder)

    def living(self, transaction: Transaction, now_ms: int) -> set[bytes]:
        """Return the owners whose lease has not ended."""
        return {owner for owner, until in transaction.cursor(self._leases) if int.from_bytes(until) > now_ms}

    def renew(self, transaction: Transaction, owner: bytes, until_ms: int) -> None:
        """Write the end of an owner's lease."""
        transaction.put(owner, until_ms.to_bytes(8), db=self._leases)

    def end_lease(self, transaction: Transaction, owner: bytes) -> None:
        """Delete an owner's lease, which releases its claims."""
        transaction.delete(owner, db=self._leases)

    def orphans(self, transaction: Transaction, now_ms: int, most: int) -> tuple[list[bytes], list[bytes]]:
        """Return the owners whose lease has ended and, of the next `most` claims, the keys that no living owner holds. The next call goes on after them."""
        living = self.living(transaction, now_ms)
        ended = [owner for owner, _ in transaction.cursor(self._leases) if owner not in living]
        cursor = transaction.cursor(self._claims)
        part = list(islice(cursor.iternext(), most)) if cursor.set_range(self._orphans_from) else []
        self._orphans_from = part[-1][0] if len(part) == most else b""
        return ended, [key for key, owner in part if owner not in living]

    def delete_orphans(
        self, transaction: Transaction, ended: Sequence[bytes], keys: Sequence[bytes], now_ms: int
    ) -> None:
        """Delete the leases and claims that `orphans` returned, if they are still without a living owner."""
        living = self.living(transaction, now_ms)
        for key in keys:
            if transaction.get(key, db=self._claims) not in living:
                transaction.delete(key, db=self._claims)
        for owner in ended:
            if owner not in living:
                transaction.delete(owner, db=self._leases)

    # --- recent confirmations --------------------------------------------------------------------------------------------------

    def append(self, transaction: Transaction, state: Round, blocks: Mapping[int, bytes]) -> int:
        """Write blocks of entries as the next part of the current log, and return the number of the part."""
        cursor = transaction.cursor(self._logs[state.number % 2])
        part = int.from_bytes(cursor.key()[:8]) + 1 if cursor.last() else 1
        for size, block in blocks.items():
            cursor.put(part.to_bytes(8) + size.to_bytes(), block, append=True)
        return part

    def read_log(self, transaction: Transaction, number: int, after: int, entries: dict[bytes, bytes]) -> int:
        """Add the parts of a round's log after part `after` to `entries`, later ones over earlier ones. Return the number of the last part."""
        cursor = transaction.cursor(self._logs[number % 2])
        if cursor.set_range((after + 1).to_bytes(8)):
            for part, content in cursor:
                entries.update(ENTRIES[part[8]].iter_unpack(content))
                after = int.from_bytes(part[:8])
        return after

    def begin_round(self, transaction: Transaction, state: Round, now_ms: int) -> Round:
        """Delete the log of the frozen round, which has been moved, freeze the current round, and return the state of the next one."""
        transaction.drop(self._logs[1 - state.number % 2], delete=False)
        following = Round(state.number + 1, now_ms, now_ms, b"")
        self.set_round(transaction, following)
        return following
