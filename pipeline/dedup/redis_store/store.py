"""The shared dedup store: a Redis or Valkey server, for jobs on several hosts. The only importer of redis (extra `redis`).

All times compared are the caller's, so the hosts' clocks must agree to well under a lease. The server's own expiry only frees memory.

The server must keep what it is given: one that may evict keys is refused. With its append-only file on, `sync` waits until the file is
on the server's disk (Redis or Valkey 7.2 or later); otherwise what the server promises is what there is (docs/dedup.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup.entry import owner_number
from pipeline.dedup.redis_store import scripts
from pipeline.errors import StoreUnavailable, UsageError
from pipeline.setting_types.secret import Secret

PREFIX = b"{log2mq}"
"""Begins every key. The braces keep all keys on one node where a proxy stands before several."""

AT_ONCE = 1_000
"""Claims a script call; Lua takes less than 8,000 arguments of a function."""

CLAIM_MS = 7 * 86_400_000
"""How long the server keeps a claim that nobody ends: longer than any outage that a job sits out, so that a dead owner's does not stay for ever."""

RETRIES = 3
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
FLUSH_MS = 4_000
"""How long one wait for the server's disk may take; below `ANSWER_SECONDS`."""

_RESULTS = {ord(str(int(result))): result for result in ClaimResult}


class RedisStore:
    """A `DedupStore` on a server."""

    def __init__(self, url: Secret, owner: str, *, keep_ms: int, lease_ms: int, now_ms: int) -> None:
        """Connect, and make the store if it is not there. `url` may hold a password.

        Raises:
            StoreUnavailable: the server does not answer, refuses, may evict keys, or holds another format.
            UsageError: the URL is none.
        """
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self._calls = 0
        self._is_open = True
        self._place = _place(url)
        try:
            self._client: Any = redis.Redis.from_url(
                url.reveal(),
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), RETRIES),
            )
        except (ValueError, TypeError):
            raise UsageError("dedup.url is no Redis URL; expected such as rediss://host:6380/0") from None
        self._claim, self._confirm, self._release, self._renew = map(
            self._client.register_script, (scripts.CLAIM, scripts.CONFIRM, scripts.RELEASE, scripts.RENEW)
        )
        try:
            with self._explained():
                self._check_eviction()
                self._check_format()
                self._can_wait_for_disk = self._has_journal()
            self.renew(now_ms)
        except BaseException:
            self._client.close()
            raise

    # --- the contract ----------------------------------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Answer each claim, in order."""
        results: list[ClaimResult] = []
        for part in _parts(claims):
            # Numbers the call, so that asking again after a lost answer is not taken for a second claim.
            self._calls += 1
            call = self._calls.to_bytes(8)
            arguments: list[bytes | int] = [now_ms, self._owner, call, CLAIM_MS, *chain.from_iterable(part)]
            results += [_RESULTS[digit] for digit in self._run(self._claim, arguments)]
        return results

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark as reported."""
        for part in _parts(claims):
            entries = chain.from_iterable((key, digest + origin) for key, digest, origin in part)
            self._run(self._confirm, (self._owner, now_ms + self._keep_ms, self._keep_ms, *entries))

    def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back."""
        for part in _parts(claims):
            self._run(self._release, (self._owner, *(claim.key for claim in part)))

    def renew(self, now_ms: int) -> None:
        """Keep the lease: one write, whatever the number of claims."""
        self._run(self._renew, (self._owner, now_ms + self._lease_ms, self._lease_ms))

    def sync(self) -> None:
        """Wait until the server's append-only file is on its disk, if it has one and can say so."""
        if not self._can_wait_for_disk:
            return
        with self._explained():
            for _ in range(RETRIES):
                if self._wait_for_disk():
                    return
        raise StoreUnavailable(
            f"the dedup store at {self._place} does not get its append-only file onto its disk; look at the server"
        )

    def sweep(self, now_ms: int) -> int:  # noqa: ARG002 - the server forgets by itself
        """Do nothing: the server forgets expired keys by itself."""
        return 0

    def close(self) -> None:
        """End the lease, which releases every claim still held, and close. A server that is away ends it by itself."""
        if self._is_open:
            self._is_open = False
            with suppress(redis.RedisError, OSError):
                self._client.delete(PREFIX + b":o:" + self._owner)
            self._client.close()

    # --- what the server is ----------------------------------------------------------------------------------------------------

    def _check_eviction(self) -> None:
        try:
            memory = self._client.info("memory")
        except redis.exceptions.NoPermissionError:
            return  # a server that does not say is taken at its operator's word (docs/dedup.md)
        policy, limit = memory.get("maxmemory_policy", "noeviction"), memory.get("maxmemory", 0)
        if limit and policy != "noeviction":
            raise StoreUnavailable(
                f"the dedup store at {self._place} may evict keys: maxmemory is {limit} bytes and maxmemory-policy {policy}; what it evicts "
                "would be reported again: set maxmemory-policy noeviction, or use a server of its own"
            )

    def _check_format(self) -> None:
        self._client.set(PREFIX + b":format", scripts.FORMAT, nx=True)
        found = self._client.get(PREFIX + b":format")
        if found != scripts.FORMAT:
            raise StoreUnavailable(
                f"the dedup store at {self._place} has the format {found!r:.60}, and this version of log2mq writes {scripts.FORMAT!r}; "
                "point dedup.url at another database, or run the version that made it"
            )
        self._client.set(PREFIX + b":keep_ms", self._keep_ms)

    def _has_journal(self) -> bool:
        try:
            if not self._client.info("persistence").get("aof_enabled"):
                return False
            self._wait_for_disk()
        except redis.ResponseError:  # a server before 7.2 does not know the command, or does not allow it
            return False
        return True

    def _wait_for_disk(self) -> bool:
        # The server waits for this connection's last write, and the connection may be new: so one is made here.
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(PREFIX + b":sync", b"")
        pipeline.execute_command("WAITAOF", 1, 0, FLUSH_MS)
        return bool(pipeline.execute()[1][0])

    # --- what goes wrong -------------------------------------------------------------------------------------------------------

    def _run(self, script: Any, arguments: Sequence[bytes | int]) -> Any:
        with self._explained():
            return script(keys=(PREFIX,), args=arguments)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the client raises into a sentence that names the server and what to do. Never the URL: it may hold a password."""
        try:
            yield
        except redis.AuthenticationError:
            raise StoreUnavailable(
                f"the dedup store at {self._place} refuses the user or password; expected those in dedup.url to be the server's"
            ) from None
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise StoreUnavailable(
                f"the dedup store at {self._place} does not answer ({type(error).__name__}, asked {RETRIES + 1} times); start the server, or mend dedup.url"
            ) from None
        except redis.RedisError as error:
            if scripts.LOST in str(error):
                raise StoreUnavailable(
                    f"the dedup store at {self._place} has lost what it remembered: it was flushed, or restarted without persistence; "
                    "the next start makes a new one, and what was reported before is then no longer known"
                ) from None
            raise StoreUnavailable(
                f"the dedup store at {self._place} refuses: {str(error)[:200]}; look at the server (memory, replica, access rules)"
            ) from None


def _parts(claims: Sequence[Claim]) -> Iterator[Sequence[Claim]]:
    return (claims[at : at + AT_ONCE] for at in range(0, len(claims), AT_ONCE))


def _place(url: Secret) -> str:
    try:
        parts = urlsplit(url.reveal())
        port = parts.port or 6379
    except ValueError:
        raise UsageError("dedup.url is no Redis URL; expected such as rediss://host:6380/0") from None
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{port}{parts.path}"
