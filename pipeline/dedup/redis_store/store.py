"""The shared dedup store: a Redis or Valkey server, for jobs on several hosts. The only importer of redis (extra `redis`).

The callers give all times, so the clocks of the hosts must differ by much less than a lease. The server's own expiry only frees memory.

The server must not evict keys: a server that may do so is refused. With an append-only file, `sync` waits until the file is on the server's disk
(Redis or Valkey 7.2 or later). Without one, confirmations are as durable as the server's settings make them (docs/dedup.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from pipeline.contracts.interfaces import RateTable
from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup.entry import owner_number
from pipeline.dedup.redis_store import scripts
from pipeline.dedup.redis_store.rates import SPEND, RedisRates
from pipeline.errors import StoreUnavailable, UsageError
from pipeline.setting_types.secret import Secret

PREFIX = b"{log2mq}"
"""The prefix of every key. The braces keep all keys on one node if a proxy connects to several nodes."""

AT_ONCE = 1_000
"""The most claims in one script call. A Lua function takes less than 8,000 arguments."""

CLAIM_MS = 7 * 86_400_000
"""The time after which the server deletes a claim: longer than any outage that a job waits out. So claims of dead owners do not stay for ever."""

RETRIES = 3
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
FLUSH_MS = 4_000
"""The longest wait for the server's disk, less than `ANSWER_SECONDS`."""

_RESULTS = {ord(str(int(result))): result for result in ClaimResult}


class RedisStore:
    """A `DedupStore` on a server."""

    def __init__(self, url: Secret, owner: str, *, keep_ms: int, lease_ms: int, now_ms: int) -> None:
        """Connect, and create the store if the server has none. `url` may hold a password.

        Raises:
            StoreUnavailable: the server does not answer, refuses, may evict keys, or has a store of another format.
            UsageError: the URL is not a Redis URL.
        """
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self._calls = 0
        self._is_open = True
        self._address = _address(url)
        try:
            self._client: Any = redis.Redis.from_url(
                url.reveal(),
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), RETRIES),
            )
        except (ValueError, TypeError):
            raise UsageError("dedup.url is not a Redis URL; expected a URL such as rediss://host:6380/0") from None
        self._claim, self._confirm, self._release, self._renew = map(
            self._client.register_script, (scripts.CLAIM, scripts.CONFIRM, scripts.RELEASE, scripts.RENEW)
        )
        try:
            with self._store_errors():
                self._check_eviction()
                self._check_format()
                self._waits_for_disk = self._has_append_only_file()
            self.renew(now_ms)
        except BaseException:
            self._client.close()
            raise

    # --- the contract ----------------------------------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Return the answers to the claims, in order."""
        return self._results(claims, now_ms, CLAIM_MS)

    def look_up(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Return the results that `claim` would return now, and change nothing."""
        return self._results(claims, now_ms, 0)

    def _results(self, claims: Sequence[Claim], now_ms: int, keep_claim_ms: int) -> list[ClaimResult]:
        results: list[ClaimResult] = []
        for part in _parts(claims):
            # The number of the call: a call that is sent again after a lost answer is not a second claim.
            self._calls += 1
            call = self._calls.to_bytes(8)
            arguments: list[bytes | int] = [now_ms, self._owner, call, keep_claim_ms, *_versions(part)]
            results += [_RESULTS[digit] for digit in self._run(self._claim, arguments)]
        return results

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark the messages as reported."""
        for part in _parts(claims):
            until_ms = now_ms + self._keep_ms
            self._run(self._confirm, (now_ms, self._owner, until_ms, self._keep_ms, *_versions(part)))

    def release(self, claims: Sequence[Claim]) -> None:
        """Release the claims without a report."""
        for part in _parts(claims):
            self._run(self._release, (self._owner, *(claim.key for claim in part)))

    def renew(self, now_ms: int) -> None:
        """Renew the lease. This is one write, whatever the number of claims."""
        self._run(self._renew, (self._owner, now_ms + self._lease_ms, self._lease_ms))

    def sync(self) -> None:
        """Wait until the server's append-only file is on its disk, if the server has one and knows `WAITAOF`."""
        if not self._waits_for_disk:
            return
        with self._store_errors():
            for _ in range(RETRIES):
                if self._wait_for_disk():
                    return
        raise StoreUnavailable(
            f"the dedup store at {self._address} does not write its append-only file to its disk; check the server"
        )

    def sweep(self, now_ms: int) -> int:  # noqa: ARG002 - the server deletes expired keys
        """Do nothing: the server deletes expired keys."""
        return 0

    def rates(self, clock: Callable[[], int]) -> RateTable:  # noqa: ARG002 - the server's clock counts
        """Return the table of rates."""
        return RedisRates(PREFIX, self._run_on, self._client.register_script(SPEND))

    def close(self) -> None:
        """End the lease, which releases all claims of this owner, and close. If the server does not answer, the lease ends by itself."""
        if self._is_open:
            self._is_open = False
            with suppress(redis.RedisError, OSError):
                self._client.delete(PREFIX + b":o:" + self._owner)
            self._client.close()

    # --- checks of the server ----------------------------------------------------------------------------------------------------

    def _check_eviction(self) -> None:
        try:
            memory = self._client.info("memory")
        except redis.exceptions.NoPermissionError:
            return  # the operator must make sure that a server without the right to INFO evicts nothing (docs/dedup.md)
        policy, limit = memory.get("maxmemory_policy", "noeviction"), memory.get("maxmemory", 0)
        if limit and policy != "noeviction":
            raise StoreUnavailable(
                f"the dedup store at {self._address} may evict keys: maxmemory is {limit} bytes and maxmemory-policy {policy}; a message whose "
                "key is evicted would be reported again: set maxmemory-policy noeviction, or use another server"
            )

    def _check_format(self) -> None:
        self._client.set(PREFIX + b":format", scripts.FORMAT, nx=True)
        found = self._client.get(PREFIX + b":format")
        if found == scripts.READABLE:
            self._client.set(PREFIX + b":format", scripts.FORMAT)
        elif found != scripts.FORMAT:
            raise StoreUnavailable(
                f"the dedup store at {self._address} has the format {found!r:.60}, and this version of log2mq writes {scripts.FORMAT!r}; "
                "set dedup.url to another database, or run the version that created it"
            )
        self._client.set(PREFIX + b":keep_ms", self._keep_ms)

    def _has_append_only_file(self) -> bool:
        try:
            if not self._client.info("persistence").get("aof_enabled"):
                return False
            self._wait_for_disk()
        except redis.ResponseError:  # a server before 7.2 does not know WAITAOF, or access rules deny it
            return False
        return True

    def _wait_for_disk(self) -> bool:
        # WAITAOF waits for the last write of this connection. The connection may be new, so write once.
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(PREFIX + b":sync", b"")
        pipeline.execute_command("WAITAOF", 1, 0, FLUSH_MS)
        return bool(pipeline.execute()[1][0])

    # --- errors -------------------------------------------------------------------------------------------------------

    def _run(self, script: Any, arguments: Sequence[bytes | int]) -> Any:
        return self._run_on(script, (PREFIX,), arguments)

    def _run_on(self, script: Any, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        with self._store_errors():
            return script(keys=keys, args=arguments)

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Raise `StoreUnavailable` for the errors of the client. The message names the server and the remedy, never the URL: it may hold a password."""
        try:
            yield
        except redis.AuthenticationError:
            raise StoreUnavailable(
                f"the dedup store at {self._address} refuses the user or password; correct them in dedup.url"
            ) from None
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise StoreUnavailable(
                f"the dedup store at {self._address} does not answer ({type(error).__name__}, asked {RETRIES + 1} times); start the server, or correct dedup.url"
            ) from None
        except redis.RedisError as error:
            if scripts.LOST in str(error):
                raise StoreUnavailable(
                    f"the dedup store at {self._address} has lost its entries: it was flushed, or restarted without persistence; "
                    "the next start creates a new store, which does not know the messages reported before"
                ) from None
            raise StoreUnavailable(
                f"the dedup store at {self._address} refuses: {str(error)[:200]}; check the server (memory, replica, access rules)"
            ) from None


def _parts(claims: Sequence[Claim]) -> Iterator[Sequence[Claim]]:
    return (claims[at : at + AT_ONCE] for at in range(0, len(claims), AT_ONCE))


def _versions(claims: Sequence[Claim]) -> Iterator[bytes]:
    """Return the arguments of a script for some claims: the key and the version of each."""
    return chain.from_iterable((key, digest + origin + order) for key, digest, origin, order in claims)


def _address(url: Secret) -> str:
    try:
        parts = urlsplit(url.reveal())
        port = parts.port or 6379
    except ValueError:
        raise UsageError("dedup.url is not a Redis URL; expected a URL such as rediss://host:6380/0") from None
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{port}{parts.path}"
