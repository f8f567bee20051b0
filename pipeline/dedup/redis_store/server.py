"""The server of a shared dedup store: the connection, the checks when it is opened, and the errors. The only importer of redis (extra `redis`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.contracts.values import StoreIdentity, StoreUsage
from pipeline.dedup.identity import new_identity
from pipeline.dedup.outage import StoreAnswer, StoreOutage
from pipeline.dedup.redis_store import scripts
from pipeline.errors import StoreUnavailable, UsageError
from pipeline.setting_types.secret import Secret

PREFIX = b"{log2mq}"
"""The prefix of every key. The braces keep all keys on one node if a proxy connects to several nodes."""

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
FLUSH_MS = 4_000
"""The longest wait for the server's disk, less than `ANSWER_SECONDS`."""

PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.TryAgainError,
    OSError,
)
"""The errors of a server that is away, starts, or was replaced by another one (a replica refuses writes until it is the primary)."""


class StoreServer:
    """A connection to the server, which is made when it is needed. While the server does not answer, `outage` decides how long it is asked again."""

    def __init__(self, url: Secret, outage: StoreOutage) -> None:
        """`url` may hold a password.

        Raises:
            UsageError: the URL is not a Redis URL.
        """
        self.address = _address(url)
        self.waits_for_disk = False
        """Whether the server has an append-only file, and says when it is on its disk."""
        self._outage = outage
        try:
            self._client: Any = redis.Redis.from_url(
                url.reveal(),
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                # A connection that the server closed while it was idle is made anew, once; everything else waits in `StoreOutage`.
                retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
            )
        except (ValueError, TypeError):
            raise UsageError("dedup.url is not a Redis URL; expected a URL such as rediss://host:6380/0") from None

    def open(self, keep_ms: int) -> None:
        """Check the server, and create the store if the server has none. `keep_ms` is noted there, for people.

        Raises:
            StoreUnavailable: the server does not answer, refuses, may evict keys, or has a store of another format.
        """

        def check() -> None:
            self._check_eviction()
            self._check_format(keep_ms)
            self.identity = self._found_identity()
            self.waits_for_disk = self._has_append_only_file()

        self._ask(check)

    def script(self, text: str, *, waits: bool = True) -> Callable[[Sequence[Any]], Any]:
        """Return a function that runs a script with the arguments given, in one round trip.

        While the server does not answer, the script is run again with the same arguments, which must have the effect of one run. Without
        `waits` it is run once: then an answer that is missing raises `StoreUnavailable` at once.
        """
        script = self._client.register_script(text)

        def run_once(arguments: Sequence[Any]) -> Any:
            keys = PREFIX, PREFIX + b":" + self.identity.id.encode()
            with self._store_errors():
                return script(keys=keys, args=arguments)

        if not waits:
            return run_once
        return lambda arguments: self._outage.call(lambda: run_once(arguments))

    def wait_for_disk(self) -> bool:
        """Wait until the append-only file is on the server's disk, for at most `FLUSH_MS`, and return whether it is."""
        return self._ask(self._wait_for_disk)

    def usage(self) -> StoreUsage:
        """Return how full the server is; nothing while it does not answer, or where access rules deny the questions."""
        if self._outage.is_on:
            return StoreUsage()
        pipeline = self._client.pipeline(transaction=False)
        pipeline.dbsize()
        pipeline.info("memory")
        try:
            keys, memory = pipeline.execute()
        except (redis.RedisError, OSError):
            return StoreUsage()
        return StoreUsage(keys, memory.get("used_memory"), memory.get("maxmemory") or None)

    def close(self, last_key: bytes) -> None:
        """Delete a last key, if the server answers, and close the connection."""
        if not self._outage.is_on:
            with suppress(redis.RedisError, OSError):
                self._client.delete(PREFIX + last_key)
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
                f"the dedup store at {self.address} may evict keys: maxmemory is {limit} bytes and maxmemory-policy {policy}; a message whose "
                "key is evicted would be reported again: set maxmemory-policy noeviction, or use another server"
            )

    def _check_format(self, keep_ms: int) -> None:
        self._client.set(PREFIX + b":format", scripts.FORMAT, nx=True)
        found = self._client.get(PREFIX + b":format")
        if found == scripts.READABLE:
            self._client.set(PREFIX + b":format", scripts.FORMAT)
        elif found != scripts.FORMAT:
            raise StoreUnavailable(
                f"the dedup store at {self.address} has the format {found!r:.60}, and this version of log2mq writes {scripts.FORMAT!r}; "
                "set dedup.url to another database, or run the version that created it"
            )
        self._client.set(PREFIX + b":keep_ms", keep_ms)

    def _found_identity(self) -> StoreIdentity:
        """Return the identity of the store. A store that has none yet, a new one or one of an earlier version, gets one."""
        self._client.set(PREFIX + b":identity", new_identity(), nx=True)
        found = self._client.get(PREFIX + b":identity")
        if not found:  # the server was flushed between the two commands
            raise redis.ResponseError(scripts.LOST)
        return StoreIdentity(found.decode(errors="replace"), f"at {self.address}")

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

    def _ask(self, question: Callable[[], StoreAnswer]) -> StoreAnswer:
        def attempt() -> StoreAnswer:
            with self._store_errors():
                return question()

        return self._outage.call(attempt)

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Raise `StoreUnavailable` for the errors of the client. The message names the server and the remedy, never the URL: it may hold a password."""
        try:
            yield
        except (redis.AuthenticationError, redis.exceptions.AuthorizationError):
            raise StoreUnavailable(
                f"the dedup store at {self.address} refuses the user or password; correct them in dedup.url"
            ) from None
        except PASSING as error:
            self._client.connection_pool.disconnect()  # the name of the server may lead to another one now
            raise StoreUnavailable(
                f"the dedup store at {self.address} does not answer ({type(error).__name__}); start the server, or correct dedup.url",
                may_pass=True,
            ) from None
        except redis.RedisError as error:
            if scripts.LOST in str(error):
                raise StoreUnavailable(
                    f"the dedup store at {self.address} has lost its entries: it was flushed, or restarted without persistence; "
                    "what was reported before is not known any more; restore the server's data, or start with --new-store to begin a new store"
                ) from None
            raise StoreUnavailable(
                f"the dedup store at {self.address} refuses: {str(error)[:200]}; check the server (memory, replica, access rules)"
            ) from None


def _address(url: Secret) -> str:
    try:
        parts = urlsplit(url.reveal())
        port = parts.port or 6379
    except ValueError:
        raise UsageError("dedup.url is not a Redis URL; expected a URL such as rediss://host:6380/0") from None
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{port}{parts.path}"
