"""The open files of a store: its folder, the two environments with their tables, the journal and the clock."""

from __future__ import annotations

import mmap
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.contracts.values import StoreIdentity
from pipeline.dedup.clocks import Clocks
from pipeline.dedup.lmdb_store import confirmed as confirmed_table
from pipeline.dedup.lmdb_store import recent_tables
from pipeline.dedup.lmdb_store.bounded_wait import HolderWait
from pipeline.dedup.lmdb_store.confirmed import ConfirmedTable
from pipeline.dedup.lmdb_store.environment import (
    FixedEnvironment,
    GrowingEnvironment,
    first_map_bytes,
    open_environment,
)
from pipeline.dedup.lmdb_store.folder import StoreFolder, allocate
from pipeline.dedup.lmdb_store.journal import Journal
from pipeline.dedup.lmdb_store.opened_clock import open_clock
from pipeline.dedup.lmdb_store.recent_tables import RecentTables
from pipeline.dedup.lmdb_store.recovery import recover, refuse_if_in_use
from pipeline.dedup.lmdb_store.write_lock import Guarded, WriteLocks
from pipeline.errors import StoreUnavailable

RECENT_BYTES = 128 << 20
"""The size of the tables of one boot. It is the same in every process, since a smaller map would shorten the file of the others. It is allocated
on the disk at once, since the kernel kills a process that writes to a map for which the disk has no room."""

OPENING_BYTES = 1 << 20
"""The free disk space that the small files need."""


class StoreFiles:
    """The files of one store, which this process has open until `close`."""

    def __init__(
        self, path: Path, owner: bytes, *, keep_ms: int, wait: HolderWait, max_bytes: int, clocks: Clocks
    ) -> None:
        """Open the store, or create it. Waits while another process opens it.

        Raises:
            StoreUnavailable: the folder is open in this process, or is not a dedup store, or another process does not go on.
            OSError, lmdb.Error: a file cannot be created, read or written.
        """
        self._path = path
        self._keep_ms = keep_ms
        self.max_bytes = max(max_bytes // mmap.PAGESIZE, 16) * mmap.PAGESIZE
        """The largest size of the durable table."""
        self._environments: list[Any] = []
        self._locks: WriteLocks | None = None
        self._folder = StoreFolder(path)
        self.journals = self._folder.recent
        self.journal = Journal(self.journals, owner)
        with ExitStack() as closed_on_error:
            closed_on_error.callback(self.close)
            self._locks = locks = WriteLocks(self._folder.path, wait)
            with self._folder.opening(wait):
                is_new = not (self._folder.recent / "data.mdb").exists()
                self._folder.require_room(OPENING_BYTES + RECENT_BYTES * is_new)
                refuse_if_in_use(self._folder)
                self._open_durable(locks)
                self._open_recent(locks, is_new=is_new)
                self.clock = open_clock(clocks, keep_ms, self.confirmed, self.durable, self.tables, self.recent)
                recover(self._folder, self.confirmed, self.durable, self.clock.now_ms())
            closed_on_error.pop_all()

    def close(self) -> None:
        """Close the files. Safe to call twice."""
        try:
            self.journal.close()
        finally:
            while self._environments:
                self._environments.pop().close()
            if self._locks is not None:
                self._locks.close()
                self._locks = None
            self._folder.close()

    def _open_durable(self, locks: WriteLocks) -> None:
        with locks.held(Guarded.DURABLE):
            environment = self._open(
                self._folder.confirmed, map_size=first_map_bytes(self.max_bytes), max_dbs=confirmed_table.DATABASES
            )
            self.durable = GrowingEnvironment(environment, locks, self._path, self._folder.confirmed, self.max_bytes)
            self.confirmed = ConfirmedTable(environment)
        self.durable.change(self._check_format)

    def _check_format(self, changing: Any) -> int:
        found = self.confirmed.begin(changing, self._keep_ms)
        if found != confirmed_table.FORMAT:
            raise StoreUnavailable(
                f"the dedup store in {self._path} has the format {found[:40]!r}, and this version of log2mq writes "
                f"{confirmed_table.FORMAT!r}; set dedup.path to an empty folder and start with --new-store, or run the version that created it"
            )
        self.identity = StoreIdentity(self.confirmed.identity(changing), f"in {self._path}")
        return 0

    def _open_recent(self, locks: WriteLocks, *, is_new: bool) -> None:
        with locks.held(Guarded.RECENT):
            environment = self._open(
                self._folder.recent,
                map_size=RECENT_BYTES,
                max_dbs=recent_tables.DATABASES,
                sync=not self._folder.survives_only_this_boot,
                writemap=True,
                meminit=False,
            )
            if is_new:
                allocate(self._folder.recent / "data.mdb", RECENT_BYTES)
            self.recent = FixedEnvironment(environment, locks)
            self.tables = RecentTables(environment)

    def _open(self, path: Path, **options: Any) -> Any:
        environment = open_environment(path, **options)
        self._environments.append(environment)
        environment.reader_check()
        with environment.begin():
            pass  # takes a slot in the table of readers, under the lock: later transactions use the same slot, and take no lock of LMDB
        return environment
