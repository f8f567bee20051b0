"""The dedup store in this process's memory: for trials and tests. What it knows ends with the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.dedup.entry import expires_ms, owner_number, pack, standing_of
from pipeline.values import Claim, Standing

SWEPT_AT_ONCE = 2_000


@dataclass(slots=True)
class MemoryTable:
    """What several stores in one process may share."""

    confirmed: dict[bytes, bytes] = field(default_factory=dict)
    claims: dict[bytes, bytes] = field(default_factory=dict)  # key to owner
    leases: dict[bytes, int] = field(default_factory=dict)  # owner to Unix ms
    to_sweep: list[bytes] = field(default_factory=list)


class MemoryStore:
    """A `DedupStore` over a table in memory."""

    def __init__(self, table: MemoryTable, owner: str, keep_ms: int, lease_ms: int, now_ms: int) -> None:
        self._table = table
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self.renew(now_ms)

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[Standing]:
        """Answer each claim, in order."""
        table = self._table
        standings = []
        for claim in claims:
            holder = table.claims.get(claim.key)
            if holder is not None and table.leases.get(holder, 0) > now_ms:
                standings.append(Standing.HELD)
                continue
            standing = standing_of(table.confirmed.get(claim.key), claim, now_ms)
            if standing is Standing.GRANTED:
                table.claims[claim.key] = self._owner
            standings.append(standing)
        return standings

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark as reported."""
        until_ms = now_ms + self._keep_ms
        for claim in claims:
            self._table.confirmed[claim.key] = pack(until_ms, claim)
        self.release(claims)

    def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back."""
        held = self._table.claims
        for claim in claims:
            if held.get(claim.key) == self._owner:
                del held[claim.key]

    def renew(self, now_ms: int) -> None:
        """Keep the lease."""
        self._table.leases[self._owner] = now_ms + self._lease_ms

    def sync(self) -> None:
        """Memory is as durable as it gets."""

    def sweep(self, now_ms: int) -> int:
        """Forget expired entries, a bounded number at a time."""
        table = self._table
        if not table.to_sweep:
            table.to_sweep = list(table.confirmed)
            table.leases = {owner: until_ms for owner, until_ms in table.leases.items() if until_ms > now_ms}
            table.claims = {key: owner for key, owner in table.claims.items() if owner in table.leases}
        swept, table.to_sweep = table.to_sweep[-SWEPT_AT_ONCE:], table.to_sweep[:-SWEPT_AT_ONCE]
        expired = [
            key for key in swept if (value := table.confirmed.get(key)) is not None and expires_ms(value) <= now_ms
        ]
        for key in expired:
            del table.confirmed[key]
        return len(expired)

    def close(self) -> None:
        """End the lease: every claim still held counts as released."""
        self._table.leases.pop(self._owner, None)
