"""The durable table of confirmed entries, in an LMDB environment of its own. The caller passes a transaction to every method."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from pipeline.dedup.entry import NEVER, expires_ms, is_newer
from pipeline.dedup.identity import new_identity
from pipeline.dedup.lmdb_store.environment import Transaction

FORMAT = b"log2mq dedup 2"
"""The format of the store. A store with another format is not changed, except one of `READABLE`."""

READABLE = b"log2mq dedup 1"
"""The format before: no entry has an order. Such a store gets `FORMAT`, so that a version that knows no orders does not open it any more."""

DATABASES = 2


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

    def identity(self, transaction: Transaction) -> str:
        """Return the identity of the store. A store that has none yet, a new one or one of an earlier version, gets one."""
        transaction.put(b"identity", new_identity().encode(), overwrite=False, db=self._meta)
        return bytes(transaction.get(b"identity", db=self._meta)).decode()

    def get(self, transaction: Transaction, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the entries of the sorted keys, also those that expired."""
        return dict(transaction.cursor(self._confirmed).getmulti(keys))

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

    def expired(self, transaction: Transaction, start: bytes, now_ms: int, most: int) -> tuple[list[bytes], bytes]:
        """Return the expired keys among the next `most` entries from `start`, and the key to go on from: the beginning after the last entry."""
        cursor = transaction.cursor(self._confirmed)
        entries = list(islice(cursor.iternext(), most)) if cursor.set_range(start) else []
        following = entries[-1][0] + b"\0" if len(entries) == most else b""
        return [key for key, value in entries if expires_ms(value) <= now_ms], following

    def forget(self, transaction: Transaction, keys: Sequence[bytes], now_ms: int) -> int:
        """Delete the keys that are still expired, and return their number."""
        expired = [key for key, value in self.get(transaction, keys).items() if expires_ms(value) <= now_ms]
        for key in expired:
            transaction.delete(key, db=self._confirmed)
        return len(expired)
