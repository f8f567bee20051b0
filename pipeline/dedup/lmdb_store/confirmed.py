"""The durable table of what was reported, in an LMDB environment of its own. Every method takes a transaction of it; this file opens none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from pipeline.dedup.entry import NEVER, expires_ms

Transaction = Any
"""An `lmdb.Transaction`: the package itself has its door in `lmdb_store`."""

FORMAT = b"log2mq dedup 1"
"""Written into a new store; a store that says otherwise is not touched."""

DATABASES = 2


class ConfirmedTable:
    """Key to expiry, digest and origin."""

    def __init__(self, environment: Any) -> None:
        self._confirmed = environment.open_db(b"confirmed")
        self._meta = environment.open_db(b"meta")

    def begin(self, transaction: Transaction, keep_ms: int) -> bytes:
        """Return the format found, FORMAT if the table is new; record format and time to live."""
        found = bytes(transaction.get(b"format", FORMAT, db=self._meta))
        if found == FORMAT:
            transaction.put(b"format", FORMAT, db=self._meta)
            transaction.put(b"keep_ms", str(keep_ms).encode(), db=self._meta)
        return found

    def get(self, transaction: Transaction, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the entries under the sorted keys, expired ones included."""
        return dict(transaction.cursor(self._confirmed).getmulti(keys))

    def put(self, transaction: Transaction, entries: Sequence[tuple[bytes, bytes]]) -> int:
        """Write sorted entries over what is there, and return how many."""
        if entries:
            transaction.cursor(self._confirmed).putmulti(entries)
        return len(entries)

    def put_unless_newer(self, transaction: Transaction, entries: dict[bytes, bytes]) -> int:
        """Write entries, but none over one that ends later; return how many."""
        there = self.get(transaction, sorted(entries))
        newer = [(key, entries[key]) for key in sorted(entries) if entries[key][:8] >= there.get(key, NEVER)[:8]]
        return self.put(transaction, newer)

    def expired(self, transaction: Transaction, start: bytes, now_ms: int, most: int) -> tuple[list[bytes], bytes]:
        """Look at a bounded stretch from `start`. Return the keys expired in it, and where to go on: the beginning after the end."""
        cursor = transaction.cursor(self._confirmed)
        stretch = list(islice(cursor.iternext(), most)) if cursor.set_range(start) else []
        following = stretch[-1][0] + b"\0" if len(stretch) == most else b""
        return [key for key, value in stretch if expires_ms(value) <= now_ms], following

    def forget(self, transaction: Transaction, keys: Sequence[bytes], now_ms: int) -> int:
        """Delete those of the keys that are expired still, and return how many."""
        expired = [key for key, value in self.get(transaction, keys).items() if expires_ms(value) <= now_ms]
        for key in expired:
            transaction.delete(key, db=self._confirmed)
        return len(expired)
