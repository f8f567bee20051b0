"""The dedup store in this process's memory: for trials and tests. What it knows ends with the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup.entry import answer, confirmed_entries, expires_ms, owner_number

SWEPT_AT_ONCE = 2_000


@dataclass(slots=True)
class MemoryTable:
    """What several stores of one process may share, as several processes share the other stores."""

    confirmed: dict[bytes, bytes] = field(default_factory=dict)
    """In the order of confirmation, so what expires first stands first."""

    claims: dict[bytes, bytes] = field(default_factory=dict)
    """Key to owner."""

    leases: dict[bytes, int] = field(default_factory=dict)
    """Owner to the end of the lease, in Unix ms."""


class MemoryStore:
    """A `DedupStore` over a table in memory."""

    def __init__(self, table: MemoryTable, owner: str, keep_ms: int, lease_ms: int, now_ms: int) -> None:
        self._table = table
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self.renew(now_ms)

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Answer each claim, in order."""
        table = self._table
        living = {owner for owner, until_ms in table.leases.items() if until_ms > now_ms}
        held = {key for key, _, _ in claims if table.claims.get(key) in living}
        results, granted = answer(claims, held, table.confirmed, now_ms)
        table.claims.update(dict.fromkeys(granted, self._owner))
        return results

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark as reported."""
        confirmed = self._table.confirmed
        for key, value in confirmed_entries(claims, now_ms + self._keep_ms).items():
            confirmed.pop(key, None)  # so that it is put at the end
            confirmed[key] = value
        self.release(claims)

    def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back."""
        held = self._table.claims
        for key, _, _ in claims:
            if held.get(key) == self._owner:
                del held[key]

    def renew(self, now_ms: int) -> None:
        """Keep the lease."""
        self._table.leases[self._owner] = now_ms + self._lease_ms

    def sync(self) -> None:
        """Memory is as durable as it gets."""

    def sweep(self, now_ms: int) -> int:
        """Forget expired entries from the oldest on, and the claims of owners whose lease has ended; a bounded number of each."""
        table = self._table
        expired: list[bytes] = []
        for key, value in islice(table.confirmed.items(), SWEPT_AT_ONCE):
            if expires_ms(value) > now_ms:
                break
            expired.append(key)
        for key in expired:
            del table.confirmed[key]
        lapsed = [owner for owner, until_ms in table.leases.items() if until_ms <= now_ms]
        for owner in lapsed:
            del table.leases[owner]
        orphans = [key for key, owner in islice(table.claims.items(), SWEPT_AT_ONCE) if owner not in table.leases]
        for key in orphans:
            del table.claims[key]
        return len(expired)

    def close(self) -> None:
        """End the lease: every claim still held counts as released."""
        self._table.leases.pop(self._owner, None)
