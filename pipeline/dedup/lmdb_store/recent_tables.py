"""The tables of one boot: leases, claims, and what was confirmed lately. Shared by all processes of the host through one LMDB environment.

They are never flushed. The kernel keeps them through the death of any process; a crash of the machine ends every claim anyway, and what
was confirmed is in the journals.

Confirmations gather in the log of the current *round*. When the round before has been moved to the durable table, the current one is
frozen and the next begins. So every confirmed key is at any moment in the current, the frozen or the durable one, and a newer entry is
never overtaken by an older one: the frozen log does not change, and its successor is moved only after it. A log is a row of parts, each
the entries of one `confirm`: a tree of keys in no order would be written a page a key.

Every method takes a transaction of the environment; this file opens none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from pipeline.dedup.entry import KEY_BYTES, LAYOUT

Transaction = Any
"""An `lmdb.Transaction`: the package itself has its door in `lmdb_store`."""

DATABASES = 5

ENTRY = struct.Struct(f"{KEY_BYTES}s{LAYOUT.size}s")
"""Key and value of a confirmation, as they lie in a log."""

_MOVED = b"\xff" * 17
"""Sorts after every key."""


class Round(NamedTuple):
    """Where the confirmations stand: the current round, and how far the frozen one has been moved."""

    number: int = 1
    began_ms: int = 0
    moved_ms: int = 0
    moved_to: bytes = _MOVED

    @property
    def is_moved(self) -> bool:
        """Whether everything frozen is in the durable table."""
        return self.moved_to == _MOVED

    def moved(self, last: bytes | None, now_ms: int) -> Round:
        """Return the state after a slice that ended with the key `last`; None says that nothing was left."""
        return self._replace(moved_ms=now_ms, moved_to=_MOVED if last is None else last + b"\0")

    def write(self) -> bytes:
        """Write as bytes."""
        return b"".join(part.to_bytes(8) for part in self[:3]) + self.moved_to

    @classmethod
    def read(cls, value: bytes | None) -> Round:
        """Read what `write` wrote."""
        if value is None:
            return cls()
        number, began_ms, moved_ms = (int.from_bytes(value[at : at + 8]) for at in (0, 8, 16))
        return cls(number, began_ms, moved_ms, value[24:])


class RecentTables:
    """The named tables of the environment, and what is done with them."""

    def __init__(self, environment: Any) -> None:
        self._claims = environment.open_db(b"claims")
        self._leases = environment.open_db(b"leases")
        self._meta = environment.open_db(b"meta")
        self._logs = (environment.open_db(b"log-0"), environment.open_db(b"log-1"))
        self._orphans_from = b""

    def round(self, transaction: Transaction) -> Round:
        """Return where the confirmations stand."""
        return Round.read(transaction.get(b"round", db=self._meta))

    def set_round(self, transaction: Transaction, state: Round) -> None:
        """Remember where the confirmations stand."""
        transaction.put(b"round", state.write(), db=self._meta)

    def swept_to(self, transaction: Transaction) -> bytes:
        """Return where the sweep through the durable table goes on, whoever sweeps next."""
        return bytes(transaction.get(b"swept_to", b"", db=self._meta))

    def set_swept_to(self, transaction: Transaction, key: bytes) -> None:
        """Remember where the sweep goes on."""
        transaction.put(b"swept_to", key, db=self._meta)

    # --- claims and leases -----------------------------------------------------------------------------------------------------

    def held(self, transaction: Transaction, keys: Sequence[bytes], now_ms: int) -> set[bytes]:
        """Return which of the sorted keys a living owner holds."""
        found = transaction.cursor(self._claims).getmulti(keys)
        if not found:
            return set()
        living = self.living(transaction, now_ms)
        return {key for key, owner in found if owner in living}

    def hold(self, transaction: Transaction, keys: Sequence[bytes], owner: bytes) -> None:
        """Write claims of an owner."""
        if keys:
            transaction.cursor(self._claims).putmulti([(key, owner) for key in sorted(keys)])

    def let_go(self, transaction: Transaction, keys: Iterable[bytes], owner: bytes) -> None:
        """Delete those claims under the keys that are the owner's."""
        claims = transaction.cursor(self._claims)
        for key in keys:
            holder = claims.pop(key)
            if holder is not None and holder != owner:
                claims.put(key, holder)

    def living(self, transaction: Transaction, now_ms: int) -> set[bytes]:
        """Return the owners whose lease has not ended."""
        return {owner for owner, until in transaction.cursor(self._leases) if int.from_bytes(until) > now_ms}

    def renew(self, transaction: Transaction, owner: bytes, until_ms: int) -> None:
        """Write an owner's lease."""
        transaction.put(owner, until_ms.to_bytes(8), db=self._leases)

    def end_lease(self, transaction: Transaction, owner: bytes) -> None:
        """Delete an owner's lease; its claims no longer hold."""
        transaction.delete(owner, db=self._leases)

    def orphans(self, transaction: Transaction, now_ms: int, most: int) -> tuple[list[bytes], list[bytes]]:
        """Return lapsed owners and, from a bounded stretch of the claims, the keys that nobody living holds. Goes on there next time."""
        living = self.living(transaction, now_ms)
        lapsed = [owner for owner, _ in transaction.cursor(self._leases) if owner not in living]
        cursor = transaction.cursor(self._claims)
        stretch = list(islice(cursor.iternext(), most)) if cursor.set_range(self._orphans_from) else []
        self._orphans_from = stretch[-1][0] if len(stretch) == most else b""
        return lapsed, [key for key, owner in stretch if owner not in living]

    def bury(self, transaction: Transaction, lapsed: Sequence[bytes], keys: Sequence[bytes], now_ms: int) -> None:
        """Delete what `orphans` found, as far as it is still so."""
        living = self.living(transaction, now_ms)
        for key in keys:
            if transaction.get(key, db=self._claims) not in living:
                transaction.delete(key, db=self._claims)
        for owner in lapsed:
            if owner not in living:
                transaction.delete(owner, db=self._leases)

    # --- recent confirmations --------------------------------------------------------------------------------------------------

    def append(self, transaction: Transaction, state: Round, entries: bytes) -> int:
        """Write entries, key and value in a row, as the next part of the current round's log; return the part's number."""
        cursor = transaction.cursor(self._logs[state.number % 2])
        part = int.from_bytes(cursor.key()) + 1 if cursor.last() else 1
        cursor.put(part.to_bytes(8), entries, append=True)
        return part

    def read_log(self, transaction: Transaction, number: int, after: int, entries: dict[bytes, bytes]) -> int:
        """Add the parts of a round's log after one to `entries`, the later over the earlier; return the last part's number."""
        cursor = transaction.cursor(self._logs[number % 2])
        if cursor.set_range((after + 1).to_bytes(8)):
            for part, content in cursor:
                entries.update(ENTRY.iter_unpack(content))
                after = int.from_bytes(part)
        return after

    def begin_round(self, transaction: Transaction, state: Round, now_ms: int) -> Round:
        """Forget the frozen round, which has been moved; freeze the current one and begin the next."""
        transaction.drop(self._logs[1 - state.number % 2], delete=False)
        following = Round(state.number + 1, now_ms, now_ms, b"")
        self.set_round(transaction, following)
        return following
