"""The durable table of confirmed entries, in an LMDB environment of its own. The caller passes a transaction to every method."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from pipeline.dedup.entry import NEVER, end_of, is_newer
from pipeline.dedup.identity import new_identity
from pipeline.dedup.lmdb_store.environment import Transaction
from pipeline.dedup.lmdb_store.store_clock import NotedTime

FORMAT = b"log2mq dedup 2"
"""The format of the store. A store with another format is not changed, except one of `READABLE`."""

READABLE = b"log2mq dedup 1"
"""The format before: no entry has an order. Such a store gets `FORMAT`, so that a version that knows no orders does not open it any more."""

DATABASES = 2


class Look(NamedTuple):
    """How much one look for expired entries may do."""

    entries: int
    """The most entries that are looked at."""
    expired: int
    """The most expired entries that are found."""


class ConfirmedTable:
    """The confirmed entries by key."""

    def __init__(self, environment: Any) -> None:
        self._confirmed = environment.open_db(b"confirmed")
        self._meta = environment.open_db(b"meta")

    def begin(self, transaction: Transaction, keep_ms: int) -> bytes:
        """Return the format of the table. A new table, and one of the format before, gets `FORMAT` and the time to live."""
        found = bytes(transaction.get(b"format", FORMAT, db=self._meta))
        if found in {FORMAT, READABLE}:
            found = FORMAT
            transaction.put(b"format", FORMAT, db=self._meta)
            transaction.put(b"keep_ms", str(keep_ms).encode(), db=self._meta)
        return found

    def noted_time(self, transaction: Transaction) -> NotedTime | None:
        """Return the time that was noted last, or None if none was."""
        value = transaction.get(b"noted_time", db=self._meta)
        return None if value is None else NotedTime.read(value)

    def note_time(self, transaction: Transaction, time: NotedTime) -> None:
        """Note the time of the store, for the next boot of the machine."""
        transaction.put(b"noted_time", time.write(), db=self._meta)

    def identity(self, transaction: Transaction) -> str:
        """Return the identity of the store. A store that has none yet, a new one or one of an earlier version, gets one."""
        transaction.put(b"identity", new_identity().encode(), overwrite=False, db=self._meta)
        return bytes(transaction.get(b"identity", db=self._meta)).decode()

    def get(self, transaction: Transaction, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the entries of the sorted keys, also those that expired."""
        return dict(transaction.cursor(self._confirmed).getmulti(keys))

    def size(self, transaction: Transaction) -> tuple[int, int]:
        """Return the number of entries, expired ones included, and the size of their pages in bytes."""
        found = transaction.stat(db=self._confirmed)
        return found["entries"], (found["branch_pages"] + found["leaf_pages"] + found["overflow_pages"]) * found[
            "psize"
        ]

    def put(self, transaction: Transaction, entries: Sequence[tuple[bytes, bytes]]) -> int:
        """Write sorted entries over existing ones, and return their number."""
        if entries:
            transaction.cursor(self._confirmed).putmulti(entries)
        return len(entries)

    def put_unless_newer(self, transaction: Transaction, entries: dict[bytes, bytes], now_ms: int) -> int:
        """Write entries, but not over a newer one. Return the number written."""
        keys = sorted(entries)
        existing = self.get(transaction, keys)
        newer = [(key, entries[key]) for key in keys if is_newer(entries[key], existing.get(key, NEVER), now_ms)]
        return self.put(transaction, newer)

    def delete(self, transaction: Transaction, keys: Sequence[bytes]) -> None:
        """Delete the keys that are there."""
        for key in keys:
            transaction.delete(key, db=self._confirmed)

    def expired(self, transaction: Transaction, start: bytes, now_ms: int, most: Look) -> tuple[list[bytes], bytes]:
        """Return the expired keys among the next entries from `start`, and the key to go on from: the beginning after the last entry."""
        cursor, ended = transaction.cursor(self._confirmed), end_of(now_ms)
        if not most.entries or not cursor.set_range(start):
            return [], b""
        expired = [cursor.key() for value in islice(cursor.iternext(keys=False), most.entries) if value <= ended]
        if len(expired) > most.expired:
            return expired[: most.expired], expired[most.expired]
        last = cursor.key()  # empty behind the last entry of the table
        return expired, last + b"\0" if last else b""

    def forget(self, transaction: Transaction, keys: Sequence[bytes], now_ms: int) -> int:
        """Delete the keys that are still expired, and return their number."""
        ended = end_of(now_ms)
        expired = [key for key, value in self.get(transaction, keys).items() if value <= ended]
        self.delete(transaction, expired)
        return len(expired)
