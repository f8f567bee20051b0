"""The dedup store in the memory of this process, for trials and tests. Its entries are lost when the process ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pipeline.contracts.rate_table import RateTable
from pipeline.contracts.values import MEMORY_ID, Claim, ClaimResult, StoreIdentity, StoreUsage
from pipeline.dedup.entry import (
    NEVER,
    NOBODY,
    ClaimAnswers,
    confirmed_entries,
    expires_ms,
    is_ordered,
    owner_number,
    resolve_claims,
)
from pipeline.dedup.identity import new_identity
from pipeline.dedup.rates import MemoryRates

SWEPT_AT_ONCE = 20_000
"""The most entries, and the most claims, that one call of `sweep` deletes: more than are confirmed between two calls."""


@dataclass(slots=True)
class MemoryTable:
    """The tables of a store. Several stores of one process may share them, as several processes share the other stores."""

    confirmed: dict[bytes, bytes] = field(default_factory=dict)
    """Key to entry, in the order of confirmation: the first entry expires first."""

    claims: dict[bytes, bytes] = field(default_factory=dict)
    """Key to the number of the owner."""

    leases: dict[bytes, int] = field(default_factory=dict)
    """Number of the owner to the end of its lease, in ms of the store's clock."""

    identity: str = field(default_factory=lambda: MEMORY_ID + new_identity())
    """The identity of the stores that share the tables."""

    paid: dict[bytes, float] = field(default_factory=dict)
    """Bucket of the shared rates to the time until which it is paid, in ms."""


class MemoryStore:
    """A `DedupStore` over a table in memory."""

    def __init__(self, table: MemoryTable, owner: str, keep_ms: int, lease_ms: int, clock: Callable[[], int]) -> None:
        """`clock` returns ms of a clock that never goes back. Stores that share a table share a clock."""
        self._table = table
        self.identity = StoreIdentity(table.identity, "in the memory of this process")
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self._clock = clock
        self.renew()

    def claim(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the answers to the claims, in order."""
        answers = self._answers(claims)
        self._table.claims.update(dict.fromkeys(answers.granted, self._owner))
        self._table.confirmed.update(answers.advanced)
        return answers.results

    def look_up(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the results that `claim` would return now, and change nothing."""
        return self._answers(claims).results

    def _answers(self, claims: Sequence[Claim]) -> ClaimAnswers:
        table, now_ms = self._table, self._clock()
        living = {owner for owner, until_ms in table.leases.items() if until_ms > now_ms}
        claimed = {claim.key for claim in claims if claim.key in table.claims}
        held = {key for key in claimed if table.claims[key] in living}
        return resolve_claims(claims, held, claimed - held, table.confirmed, now_ms)

    def confirm(self, claims: Sequence[Claim]) -> None:
        """Mark the messages as reported."""
        confirmed, now_ms = self._table.confirmed, self._clock()
        for key, value in confirmed_entries(claims, now_ms + self._keep_ms, lambda _: confirmed, now_ms).items():
            confirmed.pop(key, None)  # so that the new entry stands at the end
            confirmed[key] = value
        self.release(claims)

    def release(self, claims: Sequence[Claim], *, in_doubt: bool = False) -> None:
        """Release the claims without a report."""
        held = self._table.claims
        for claim in claims:
            if held.get(claim.key) == self._owner:
                if in_doubt and claim.order:
                    held[claim.key] = NOBODY
                else:
                    del held[claim.key]

    def renew(self) -> None:
        """Renew the lease."""
        self._table.leases[self._owner] = self._clock() + self._lease_ms

    def sync(self) -> None:
        """Do nothing: memory is not durable."""

    def sweep(self) -> int:
        """Delete expired entries, oldest first, and claims whose owner's lease has ended. Return the number of entries deleted.

        A claim that leaves a version in doubt stays until the key is claimed again.
        """
        table, now_ms = self._table, self._clock()
        expired: list[bytes] = []
        for key, value in islice(table.confirmed.items(), SWEPT_AT_ONCE):
            if expires_ms(value) > now_ms:
                break
            expired.append(key)
        for key in expired:
            del table.confirmed[key]
        ended = [owner for owner, until_ms in table.leases.items() if until_ms <= now_ms]
        for owner in ended:
            del table.leases[owner]
        orphans = [
            key
            for key, owner in islice(table.claims.items(), SWEPT_AT_ONCE)
            if owner not in table.leases and not is_ordered(table.confirmed.get(key, NEVER))
        ]
        for key in orphans:
            del table.claims[key]
        return len(expired)

    def usage(self) -> StoreUsage:
        """Return the number of entries."""
        return StoreUsage(len(self._table.confirmed))

    def rates(self) -> RateTable:
        """Return the table of rates."""
        return MemoryRates(self._table.paid, self._clock)

    def close(self) -> None:
        """End the lease, which releases all claims of this owner."""
        self._table.leases.pop(self._owner, None)
