"""The embedded dedup store: one folder, shared by all processes of one host.

What must survive the machine is in the durable table and the journals; what need only survive a process is in the tables of this boot
(`recent_tables`). `confirm` appends to the log there and to the journal, `sync` flushes the journal: small sequential writes, whatever
the size of the store. `sweep` moves recent confirmations to the durable table in large sorted slices, since writing single
batches there costs a page, and waits for the disk, for each key. After a crash of the machine, opening the store reads the journals.

The durable table is opened with LMDB's full flushing, which keeps it intact through any crash. The tables of this boot are written
through a memory map without flushing: the death of a process leaves them intact, and after the machine's they are not read.
"""

from __future__ import annotations

import mmap
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup.entry import answer, confirmed_entries, owner_number
from pipeline.dedup.lmdb_store import confirmed as confirmed_table
from pipeline.dedup.lmdb_store import recent_tables
from pipeline.dedup.lmdb_store.confirmed import ConfirmedTable
from pipeline.dedup.lmdb_store.environment import GrowingEnvironment, first_map_bytes, open_environment
from pipeline.dedup.lmdb_store.faults import explained
from pipeline.dedup.lmdb_store.folder import StoreFolder, set_aside
from pipeline.dedup.lmdb_store.journal import Journal, read_journals
from pipeline.dedup.lmdb_store.mover import RoundMover
from pipeline.dedup.lmdb_store.recent_entries import RecentEntries
from pipeline.dedup.lmdb_store.recent_tables import RecentTables
from pipeline.errors import StoreUnavailable

RECENT_BYTES = 128 << 20
"""Room for the tables of one boot. The same in every process, since a smaller map would cut the others' file; and set aside on the disk at
once, since the kernel kills a process that writes to a map for which the disk has no room."""

OPENING_BYTES = 1 << 20
"""Room demanded for the small files."""

SWEPT_AT_ONCE = 2_000
RECOVERED_AT_ONCE = 50_000


class LmdbStore:
    """A `DedupStore` in a folder of a local disk. Open it once a process, and not across a fork."""

    def __init__(self, folder: Path, owner: str, *, keep_ms: int, lease_ms: int, max_bytes: int, now_ms: int) -> None:
        """Open the store, or make it. Waits while another process opens it.

        Raises:
            StoreUnavailable: the folder cannot be made, read or written, is open in this process, or holds something else.
        """
        self._path = folder
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self._max_bytes = max(max_bytes // mmap.PAGESIZE, 16) * mmap.PAGESIZE
        self._environments: list[Any] = []
        self._round = 0  # what was current when `claim` asked last
        self._is_open = True
        with explained(self._path, "opened"):
            self._folder = StoreFolder(folder)
            self._journal = Journal(self._folder.recent, self._owner)
            try:
                with self._folder.opening():
                    is_new = not (self._folder.recent / "data.mdb").exists()
                    self._folder.demand_room(OPENING_BYTES + RECENT_BYTES * is_new)
                    self._open_durable()
                    self._recover()
                    self._open_recent()
                    if is_new:
                        set_aside(self._folder.recent / "data.mdb", RECENT_BYTES)
                self.renew(now_ms)
            except BaseException:
                self._close_files()
                raise

    # --- the contract ----------------------------------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Answer each claim, in order. The lock on the tables of this boot keeps other processes out until all are answered."""
        if not claims:
            return []
        keys = sorted({claim.key for claim in claims})
        with explained(self._path, "written"):
            confirmed = self._look_up(keys)  # before the lock, since it is the longest part
            with self._recent.begin(write=True) as changing:
                state = self._tables.round(changing)
                if state.number != self._round:
                    # A round has ended, perhaps since `confirmed` was read: what it held is in the durable table only now.
                    confirmed = self._look_up(keys)
                    self._round = state.number
                self._entries.catch_up(changing, state)
                confirmed.update(self._entries.get(keys))
                results, granted = answer(claims, self._tables.held(changing, keys, now_ms), confirmed, now_ms)
                self._tables.hold(changing, granted, self._owner)
        return results

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark as reported. The claims end in the same transaction, so that at every moment one of the two is there."""
        if not claims:
            return
        entries = confirmed_entries(claims, now_ms + self._keep_ms)
        with explained(self._path, "written"):
            with self._recent.begin(write=True) as changing:
                state = self._tables.round(changing)
                self._entries.catch_up(changing, state)
                written = b"".join([key + value for key, value in entries.items()])
                self._journal.append(state.number, written)
                part = self._tables.append(changing, state, written)
                self._tables.let_go(changing, entries, self._owner)
            self._entries.add(part, entries)
            self._mover.move_if_full(now_ms)

    def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back."""
        if claims:
            with explained(self._path, "written"), self._recent.begin(write=True) as changing:
                self._tables.let_go(changing, {claim.key for claim in claims}, self._owner)

    def renew(self, now_ms: int) -> None:
        """Keep the lease: one write, whatever the number of claims."""
        with explained(self._path, "written"), self._recent.begin(write=True) as changing:
            self._tables.renew(changing, self._owner, now_ms + self._lease_ms)

    def sync(self) -> None:
        """Flush the journal."""
        with explained(self._path, "written"):
            self._journal.sync()

    def sweep(self, now_ms: int) -> int:
        """Move a slice of the recent confirmations, and forget what expired or lapsed in a bounded stretch of the tables."""
        with explained(self._path, "written"):
            for environment in self._environments:
                environment.reader_check()  # slots of processes that died keep old pages from being used again
            forgotten = self._mover.move_if_due(now_ms) + self._forget_expired(now_ms)
            with self._recent.begin() as reading:
                lapsed, orphans = self._tables.orphans(reading, now_ms, SWEPT_AT_ONCE)
            if lapsed or orphans:
                with self._recent.begin(write=True) as changing:
                    self._tables.bury(changing, lapsed, orphans, now_ms)
        return forgotten

    def close(self) -> None:
        """End the lease, which releases every claim still held, and close."""
        if not self._is_open:
            return
        with explained(self._path, "written"):
            try:
                with self._recent.begin(write=True) as changing:
                    self._tables.end_lease(changing, self._owner)
            finally:
                self._close_files()

    # --- the durable table -----------------------------------------------------------------------------------------------------

    def _look_up(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        with self._durable.reading() as reading:
            return self._confirmed.get(reading, keys)

    def _forget_expired(self, now_ms: int) -> int:
        with self._recent.begin() as reading:
            start = self._tables.swept_to(reading)
        with self._durable.reading() as reading:
            expired, following = self._confirmed.expired(reading, start, now_ms, SWEPT_AT_ONCE)
        forgotten = 0
        if expired:
            forgotten = self._durable.change(lambda changing: self._confirmed.forget(changing, expired, now_ms))
        if following != start:
            with self._recent.begin(write=True) as changing:
                self._tables.set_swept_to(changing, following)
        return forgotten

    # --- opening ---------------------------------------------------------------------------------------------------------------

    def _open_durable(self) -> None:
        environment = self._open(
            self._folder.confirmed, map_size=first_map_bytes(self._max_bytes), max_dbs=confirmed_table.DATABASES
        )
        self._durable = GrowingEnvironment(environment, self._path, self._folder.confirmed, self._max_bytes)
        self._confirmed = ConfirmedTable(environment)
        self._durable.change(self._check_format)

    def _check_format(self, changing: Any) -> int:
        found = self._confirmed.begin(changing, self._keep_ms)
        if found != confirmed_table.FORMAT:
            raise StoreUnavailable(
                f"the dedup store in {self._path} has the format {found[:40]!r}, and this version of log2mq writes "
                f"{confirmed_table.FORMAT!r}; point dedup.path at an empty folder, or run the version that made it"
            )
        return 0

    def _recover(self) -> None:
        """Take in what former boots of the machine confirmed and had not moved yet."""
        for boot in self._folder.former_boots():
            for entries in read_journals(boot, RECOVERED_AT_ONCE):
                self._durable.change(partial(self._confirmed.put_unless_newer, entries=entries))
            shutil.rmtree(boot)

    def _open_recent(self) -> None:
        self._recent = self._open(
            self._folder.recent,
            map_size=RECENT_BYTES,
            max_dbs=recent_tables.DATABASES,
            sync=not self._folder.survives_only_this_boot,
            writemap=True,
            meminit=False,
        )
        self._tables = RecentTables(self._recent)
        self._entries = RecentEntries(self._tables)
        self._mover = RoundMover(
            self._recent, self._tables, self._entries, self._confirmed, self._durable.change, self._folder.recent
        )

    def _open(self, path: Path, **options: Any) -> Any:
        environment = open_environment(path, **options)
        self._environments.append(environment)
        environment.reader_check()
        return environment

    def _close_files(self) -> None:
        self._is_open = False
        try:
            self._journal.close()
        finally:
            while self._environments:
                self._environments.pop().close()
            self._folder.close()
