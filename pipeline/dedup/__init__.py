"""Remembering what was reported: claim, confirm, release."""

from __future__ import annotations

from pathlib import Path

from pipeline.dedup.lmdb_store import LmdbStore
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.dedup.preview import PreviewStore
from pipeline.dedup.settings import DedupSettings
from pipeline.errors import UsageError
from pipeline.interfaces import DedupStore

__all__ = ["DedupSettings", "open_preview", "open_store"]


def open_store(settings: DedupSettings, owner: str, now_ms: int) -> DedupStore:
    """Open the store that the settings name. `owner` is a name no other process has; `now_ms` is Unix ms.

    Raises:
        StoreUnavailable: it cannot be opened.
        UsageError: `dedup.path` is missing where it is needed.
    """
    if settings.store == "memory":
        return MemoryStore(MemoryTable(), owner, settings.keep, settings.lease, now_ms)
    if settings.path is None:
        raise UsageError("dedup.path: found none; expected the folder of the store")
    return LmdbStore(
        Path(settings.path),
        owner,
        keep_ms=settings.keep,
        lease_ms=settings.lease,
        max_bytes=settings.max_size,
        now_ms=now_ms,
    )


def open_preview(settings: DedupSettings, owner: str, now_ms: int) -> DedupStore:
    """Open the store for a look that leaves no trace in it."""
    overlay = MemoryStore(MemoryTable(), owner, settings.keep, settings.lease, now_ms)
    return PreviewStore(open_store(settings, owner, now_ms), overlay)
