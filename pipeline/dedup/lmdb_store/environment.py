"""LMDB environments: how one is opened, and one whose memory map grows with its content."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from pipeline.dedup.lmdb_store.faults import damaged
from pipeline.dedup.lmdb_store.folder import allocate
from pipeline.dedup.lmdb_store.write_lock import Guarded, WriteLocks
from pipeline.errors import StoreUnavailable

Transaction = Any
"""An `lmdb.Transaction`; the package has no types."""

ResultT = TypeVar("ResultT")

FIRST_BYTES = 16 << 20
"""The first size of a growing map. The size doubles each time the map is full, up to `dedup.max_size`."""

LOCK_FILE = "lock.mdb"
LOCK_BYTES = 64 << 10
"""The size of LMDB's lock file: slots for a thousand processes."""


def open_environment(path: Path, **options: Any) -> Any:
    """Return the opened environment of a folder.

    Raises:
        lmdb.Error, OSError: the environment cannot be opened.
    """
    # The lock file is mapped too. It is not opened later: closing a file descriptor of it would end the locks that this process holds on it.
    if not (lock := path / LOCK_FILE).exists():
        allocate(lock, LOCK_BYTES)
    return lmdb.open(str(path), mode=0o600, **options)


def is_open_elsewhere(path: Path) -> bool:
    """Return whether another process has the environment of a folder open. This process must not have it open.

    LMDB holds a shared lock on the first byte of its lock file while it has an environment open; the lock ends with the process.

    Raises:
        OSError: the lock file cannot be opened.
    """
    if not (lock := path / LOCK_FILE).exists():
        return False
    file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def first_map_bytes(max_bytes: int) -> int:
    """Return the first size of a map that may grow to `max_bytes`."""
    return min(FIRST_BYTES, max_bytes)


class FixedEnvironment:
    """An open environment whose map has a fixed size."""

    def __init__(self, environment: Any, locks: WriteLocks) -> None:
        self._environment = environment
        self._locks = locks

    def reading(self) -> Any:
        """Return a read transaction, as a context manager."""
        return self._environment.begin()

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield a write transaction.

        Raises:
            StoreUnavailable: another process has written for too long.
        """
        with self._locks.held(Guarded.RECENT), self._environment.begin(write=True) as changing:
            yield changing

    def check_readers(self) -> None:
        """Free the slots of dead processes, which keep LMDB from using old pages again."""
        with self._locks.held(Guarded.RECENT):
            self._environment.reader_check()


class GrowingEnvironment:
    """An open environment. The process that finds the map full doubles it."""

    def __init__(self, environment: Any, locks: WriteLocks, store: Path, folder: Path, max_bytes: int) -> None:
        """Wrap the environment of `folder`. Error messages name `store`.

        Raises:
            StoreUnavailable: its file is shorter than its header says.
        """
        self._environment = environment
        self._locks = locks
        self._store = store
        self._max_bytes = max_bytes
        # The kernel kills a process that reads a page beyond the end of the file.
        stored_bytes = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if stored_bytes > (folder / "data.mdb").stat().st_size:
            raise damaged(store, "its file is cut short")

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Yield a read transaction."""
        try:
            transaction = self._environment.begin()
        except lmdb.MapResizedError:  # another process has made the map larger
            self._environment.set_mapsize(0)
            transaction = self._environment.begin()
        with transaction:
            yield transaction

    def check_readers(self) -> None:
        """Free the slots of dead processes, which keep LMDB from using old pages again."""
        with self._locks.held(Guarded.DURABLE):
            self._environment.reader_check()

    def change(self, work: Callable[[Any], ResultT]) -> ResultT:
        """Run `work` in a write transaction, and return its result. If the map must grow, `work` runs again from the start.

        Raises:
            StoreUnavailable: the map is full and has its largest size, or another process has written for too long.
        """
        while True:
            try:
                with self._locks.held(Guarded.DURABLE), self._environment.begin(write=True) as changing:
                    result = work(changing)
            except lmdb.MapResizedError:
                self._environment.set_mapsize(0)
            except lmdb.MapFullError:
                size = self._environment.info()["map_size"]
                if size >= self._max_bytes:
                    raise StoreUnavailable(
                        f"the dedup store in {self._store} is full: it has grown to {size} bytes; raise dedup.max_size, or shorten dedup.keep"
                    ) from None
                self._environment.set_mapsize(min(size * 2, self._max_bytes))
            else:
                return result
