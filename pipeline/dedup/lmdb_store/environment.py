"""LMDB environments: how one is opened, and one whose memory map grows with what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb

from pipeline.dedup.lmdb_store.faults import damaged
from pipeline.dedup.lmdb_store.folder import set_aside
from pipeline.errors import StoreUnavailable

FIRST_BYTES = 16 << 20
"""Size of a growing map at first; doubled whenever it is full, up to `dedup.max_size`."""

LOCK_BYTES = 64 << 10
"""Size of LMDB's lock file: slots for a thousand processes."""


def open_environment(path: Path, **options: Any) -> Any:
    """Open the environment in a folder. Raises what LMDB raises, and OSError."""
    # The lock file is mapped as well. Never opened later: closing any file of it would end the locks that this process holds on it.
    if not (lock := path / "lock.mdb").exists():
        set_aside(lock, LOCK_BYTES)
    return lmdb.open(str(path), mode=0o600, **options)


def first_map_bytes(max_bytes: int) -> int:
    """Return the size at which a map begins that may grow to `max_bytes`."""
    return min(FIRST_BYTES, max_bytes)


class GrowingEnvironment:
    """An open environment whose map is doubled when it is full, by whichever process finds it so."""

    def __init__(self, environment: Any, store: Path, folder: Path, max_bytes: int) -> None:
        """Take the environment in `folder`, of the store that messages name.

        Raises:
            StoreUnavailable: its file is shorter than it says.
        """
        self._environment = environment
        self._store = store
        self._max_bytes = max_bytes
        # A page beyond the file's end could not be read without being killed by the kernel.
        stored_bytes = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if stored_bytes > (folder / "data.mdb").stat().st_size:
            raise damaged(store, "its file is cut short")

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Begin a transaction that reads."""
        try:
            transaction = self._environment.begin()
        except lmdb.MapResizedError:  # another process has made the map larger
            self._environment.set_mapsize(0)
            transaction = self._environment.begin()
        with transaction:
            yield transaction

    def change(self, work: Callable[[Any], int]) -> int:
        """Do the work in a transaction that writes, again from the start where the map had to grow, and return its result.

        Raises:
            StoreUnavailable: the map is as large as it may be.
        """
        while True:
            try:
                with self._environment.begin(write=True) as changing:
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
