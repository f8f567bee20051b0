"""The dedup stores: they remember which messages were reported, by claim, confirm and release. They know keys and times, no message and no offset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.contracts.interfaces import DedupStore, StoreWait
from pipeline.dedup.clocks import Clocks
from pipeline.dedup.dry_run_store import DryRunStore
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.dedup.outage import StoreOutage, do_not_wait
from pipeline.dedup.settings import DedupSettings
from pipeline.errors import ComponentMissing, UsageError
from pipeline.setting_types.secret import Secret

__all__ = ["DedupSettings", "open_dry_run", "open_store"]


def open_store(
    settings: DedupSettings,
    owner: str,
    clocks: Clocks,
    environment: Mapping[str, str] | None = None,
    wait: StoreWait = do_not_wait,
) -> DedupStore:
    """Return the opened store that the settings choose. `owner` is a name that no other process has or had.

    `environment` holds the variable of a secret URL (`{env: NAME}`). Without it, the variables of this process are used. `wait` waits for a
    server that does not answer, and for a process that keeps an embedded store locked, now and later.

    Raises:
        StoreUnavailable: the store cannot be opened.
        ComponentMissing: the extra `redis` is not installed.
        UsageError: `dedup.path` or `dedup.url` is missing, or the secret of `dedup.url` cannot be read.
    """
    if settings.store == "memory":
        return MemoryStore(MemoryTable(), owner, settings.keep, settings.lease, clocks.boot)
    if settings.store == "redis":
        return _open_redis(settings, owner, os.environ if environment is None else environment, wait)
    if settings.path is None:
        raise UsageError("dedup.path: found none; expected the folder of the store")
    # A command that opens no store does not load LMDB.
    from pipeline.dedup.lmdb_store.bounded_wait import HolderWait  # noqa: PLC0415
    from pipeline.dedup.lmdb_store.store import LmdbStore  # noqa: PLC0415

    return LmdbStore(
        Path(settings.path),
        owner,
        keep_ms=settings.keep,
        lease_ms=settings.lease,
        max_bytes=settings.max_size,
        clocks=clocks,
        wait=HolderWait(settings.give_up_after, wait),
    )


def open_dry_run(
    settings: DedupSettings,
    owner: str,
    clocks: Clocks,
    environment: Mapping[str, str] | None = None,
    wait: StoreWait = do_not_wait,
) -> DedupStore:
    """Return the opened store with an overlay, so that a dry run changes nothing in it. Raises the errors of `open_store`."""
    overlay = MemoryStore(MemoryTable(), owner, settings.keep, settings.lease, clocks.boot)
    return DryRunStore(open_store(settings, owner, clocks, environment, wait), overlay)


def _open_redis(settings: DedupSettings, owner: str, environment: Mapping[str, str], wait: StoreWait) -> DedupStore:
    try:
        from pipeline.dedup.redis_store.store import RedisStore  # noqa: PLC0415 - its package is an extra
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise ComponentMissing(
            "dedup.store is redis, and its client is not installed; pip install 'log2mq[redis]'"
        ) from None
    if settings.url is None:
        raise UsageError("dedup.url: found none; expected the URL of the server")
    url = Secret(settings.url) if isinstance(settings.url, str) else settings.url.read(environment)
    outage = StoreOutage(settings.give_up_after, wait)
    return RedisStore(url, owner, keep_ms=settings.keep, lease_ms=settings.lease, outage=outage)
