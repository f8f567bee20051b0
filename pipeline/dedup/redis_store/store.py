"""The shared dedup store: a Redis or Valkey server, for jobs on several hosts.

The store's clock is the server's: leases, claims and confirmed entries end by the expiry that the server gives its keys, and no clock of a host
counts. A server whose own clock is set forward ends leases early, and forgets entries early; one that is set back keeps both for longer.

The server must not evict keys: a server that may do so is refused. With an append-only file, `sync` waits until the file is on the server's disk
(Redis or Valkey 7.2 or later). Without one, confirmations are as durable as the server's settings make them (docs/dedup.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain

from pipeline.contracts.rate_table import RateTable
from pipeline.contracts.values import Claim, ClaimResult, StoreIdentity, StoreUsage
from pipeline.dedup.entry import owner_number
from pipeline.dedup.outage import StoreOutage, do_not_wait
from pipeline.dedup.redis_store import scripts
from pipeline.dedup.redis_store.rates import SPEND, RedisRates
from pipeline.dedup.redis_store.server import StoreServer
from pipeline.errors import StoreUnavailable
from pipeline.setting_types.secret import Secret

AT_ONCE = 1_000
"""The most claims in one script call. A Lua function takes less than 8,000 arguments."""

CLAIM_MS = 7 * 86_400_000
"""The time after which the server deletes a claim: longer than any outage that a job waits out. So claims of dead owners do not stay for ever."""

FLUSHES = 3
"""How often the server's disk is waited for."""

_RESULTS = {ord(str(int(result))): result for result in ClaimResult}


class RedisStore:
    """A `DedupStore` on a server."""

    def __init__(
        self, url: Secret, owner: str, *, keep_ms: int, lease_ms: int, outage: StoreOutage | None = None
    ) -> None:
        """Connect, and create the store if the server has none. `url` may hold a password. `outage` waits for a server that does not answer.

        Raises:
            StoreUnavailable: the server does not answer, as `outage` says, refuses, may evict keys, or has a store of another format.
            UsageError: the URL is not a Redis URL.
        """
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self._calls = 0
        self._is_open = True
        self._server = StoreServer(url, outage or StoreOutage(0, do_not_wait))
        self._claim, self._confirm, self._release, self._leave, self._renew = map(
            self._server.script, (scripts.CLAIM, scripts.CONFIRM, scripts.RELEASE, scripts.LEAVE, scripts.RENEW)
        )
        with ExitStack() as closed_on_error:
            closed_on_error.callback(self.close)
            self._server.open(keep_ms)
            self.renew()
            closed_on_error.pop_all()

    @property
    def identity(self) -> StoreIdentity:
        """The identity that the server had when the store was opened. Every script compares it."""
        return self._server.identity

    # --- the contract ----------------------------------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the answers to the claims, in order."""
        return self._results(claims, CLAIM_MS)

    def look_up(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the results that `claim` would return now, and change nothing."""
        return self._results(claims, 0)

    def _results(self, claims: Sequence[Claim], keep_claim_ms: int) -> list[ClaimResult]:
        results: list[ClaimResult] = []
        for part in _parts(claims):
            # The number of the call: a call that is sent again after a lost answer is not a second claim.
            self._calls += 1
            call = self._calls.to_bytes(8)
            arguments: list[bytes | int] = [self._owner, call, keep_claim_ms, *_versions(part)]
            results += [_RESULTS[digit] for digit in self._claim(arguments)]
        return results

    def confirm(self, claims: Sequence[Claim]) -> None:
        """Mark the messages as reported."""
        for part in _parts(claims):
            self._confirm((self._owner, self._keep_ms, *_versions(part)))

    def release(self, claims: Sequence[Claim], *, in_doubt: bool = False) -> None:
        """Release the claims without a report."""
        for part in _parts([claim for claim in claims if not (in_doubt and claim.order)]):
            self._release((self._owner, *(claim.key for claim in part)))
        for part in _parts([claim for claim in claims if in_doubt and claim.order]):
            self._leave((self._owner, *(claim.key for claim in part)))

    def renew(self) -> None:
        """Renew the lease. This is one write, whatever the number of claims."""
        self._renew((self._owner, self._lease_ms))

    def sync(self) -> None:
        """Wait until the server's append-only file is on its disk, if the server has one and knows `WAITAOF`."""
        if not self._server.waits_for_disk:
            return
        if any(self._server.wait_for_disk() for _ in range(FLUSHES)):
            return
        raise StoreUnavailable(
            f"the dedup store at {self._server.address} does not write its append-only file to its disk; check the server"
        )

    def sweep(self) -> int:
        """Do nothing: the server deletes expired keys."""
        return 0

    def usage(self) -> StoreUsage:
        """Return how full the server is."""
        return self._server.usage()

    def rates(self) -> RateTable:
        """Return the table of rates. It does not wait for a server that is away: each process keeps the limit alone meanwhile."""
        return RedisRates(self._server.script(SPEND, waits=False))

    def close(self) -> None:
        """End the lease, which releases all claims of this owner, and close. If the server does not answer, the lease ends by itself."""
        if self._is_open:
            self._is_open = False
            self._server.close(b":o:" + self._owner)


def _parts(claims: Sequence[Claim]) -> Iterator[Sequence[Claim]]:
    return (claims[at : at + AT_ONCE] for at in range(0, len(claims), AT_ONCE))


def _versions(claims: Sequence[Claim]) -> Iterator[bytes]:
    """Return the arguments of a script for some claims: the key and the version of each."""
    return chain.from_iterable((key, digest + origin + order) for key, digest, origin, order in claims)
