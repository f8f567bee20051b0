"""The embedded dedup store: one folder, shared by all processes of one host. The only importer of lmdb.

What must survive the machine is in the durable table and the journals; what need only survive a process is in the tables of this boot
(`recent_tables`). `confirm` appends to the log there and to the journal, `sync` flushes the journal: small sequential writes, whatever
the size of the store. `sweep` moves recent confirmations to the durable table in large sorted slices, since writing single
batches there costs a page, and waits for the disk, for each key. After a crash of the machine, opening the store reads the journals.

The durable table is opened with LMDB's full flushing, which keeps it intact through any crash. The tables of this boot are written
through a memory map without flushing: the death of a process leaves them intact, and after the machine's they are not read.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import lmdb

from pipeline.contracts.values import Claim, Standing
from pipeline.dedup.entry import answer, confirmed_entries, owner_number
from pipeline.dedup.lmdb_store import confirmed as confirmed_table
from pipeline.dedup.lmdb_store import recent_tables
from pipeline.dedup.lmdb_store.confirmed import ConfirmedTable
from pipeline.dedup.lmdb_store.folder import StoreFolder, set_aside
from pipeline.dedup.lmdb_store.journal import Journal, read_journals
from pipeline.dedup.lmdb_store.mover import RoundMover
from pipeline.dedup.lmdb_store.recent_entries import RecentEntries
from pipeline.dedup.lmdb_store.recent_tables import RecentTables
from pipeline.errors import StoreUnavailable

RECENT_BYTES = 128 << 20
"""Room for the tables of one boot. The same in every process, since a smaller map would cut the others' file; and set aside on the disk at
once, since the kernel kills a process that writes to a map for which the disk has no room."""

FIRST_BYTES = 16 << 20
"""Room for the durable table at first; doubled whenever it is full, up to `dedup.max_size`."""

OPENING_BYTES = 1 << 20
"""Room demanded for the small files."""

SWEPT_AT_ONCE = 2_000
RECOVERED_AT_ONCE = 50_000
LOCK_BYTES = 64 << 10
"""Size of LMDB's lock file: slots for a thousand processes."""


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
        with self._explained("opened"):
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

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[Standing]:
        """Answer each claim, in order. The lock on the tables of this boot keeps other processes out until all are answered."""
        if not claims:
            return []
        keys = sorted({claim.key for claim in claims})
        with self._explained("written"):
            confirmed = self._look_up(keys)  # before the lock, since it is the longest part
            with self._recent.begin(write=True) as changing:
                state = self._tables.round(changing)
                if state.number != self._round:
                    # A round has ended, perhaps since `confirmed` was read: what it held is in the durable table only now.
                    confirmed = self._look_up(keys)
                    self._round = state.number
                self._entries.catch_up(changing, state)
                confirmed.update(self._entries.get(keys))
                standings, granted = answer(claims, self._tables.held(changing, keys, now_ms), confirmed, now_ms)
                self._tables.hold(changing, granted, self._owner)
        return standings

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark as reported. The claims end in the same transaction, so that at every moment one of the two is there."""
        if not claims:
            return
        entries = confirmed_entries(claims, now_ms + self._keep_ms)
        with self._explained("written"):
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
            with self._explained("written"), self._recent.begin(write=True) as changing:
                self._tables.let_go(changing, {claim.key for claim in claims}, self._owner)

    def renew(self, now_ms: int) -> None:
        """Keep the lease: one write, whatever the number of claims."""
        with self._explained("written"), self._recent.begin(write=True) as changing:
            self._tables.renew(changing, self._owner, now_ms + self._lease_ms)

    def sync(self) -> None:
        """Flush the journal."""
        with self._explained("written"):
            self._journal.sync()

    def sweep(self, now_ms: int) -> int:
        """Move a slice of the recent confirmations, and forget what expired or lapsed in a bounded stretch of the tables."""
        with self._explained("written"):
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
        with self._explained("written"):
            try:
                with self._recent.begin(write=True) as changing:
                    self._tables.end_lease(changing, self._owner)
            finally:
                self._close_files()

    # --- the durable table -----------------------------------------------------------------------------------------------------

    def _look_up(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        with self._read_durable() as reading:
            return self._confirmed.get(reading, keys)

    def _forget_expired(self, now_ms: int) -> int:
        with self._recent.begin() as reading:
            start = self._tables.swept_to(reading)
        with self._read_durable() as reading:
            expired, following = self._confirmed.expired(reading, start, now_ms, SWEPT_AT_ONCE)
        forgotten = 0
        if expired:
            forgotten = self._change_durable(lambda changing: self._confirmed.forget(changing, expired, now_ms))
        if following != start:
            with self._recent.begin(write=True) as changing:
                self._tables.set_swept_to(changing, following)
        return forgotten

    @contextmanager
    def _read_durable(self) -> Iterator[Any]:
        try:
            transaction = self._durable.begin()
        except lmdb.MapResizedError:  # another process has made the map larger
            self._durable.set_mapsize(0)
            transaction = self._durable.begin()
        with transaction:
            yield transaction

    def _change_durable(self, work: Callable[[Any], int]) -> int:
        while True:
            try:
                with self._durable.begin(write=True) as changing:
                    result = work(changing)
            except lmdb.MapResizedError:
                self._durable.set_mapsize(0)
            except lmdb.MapFullError:
                size = self._durable.info()["map_size"]
                if size >= self._max_bytes:
                    raise StoreUnavailable(
                        f"the dedup store in {self._path} is full: it has grown to {size} bytes; raise dedup.max_size, or shorten dedup.keep"
                    ) from None
                self._durable.set_mapsize(min(size * 2, self._max_bytes))
            else:
                return result

    # --- opening ---------------------------------------------------------------------------------------------------------------

    def _open_durable(self) -> None:
        path = self._folder.confirmed
        self._durable = self._open(path, map_size=min(FIRST_BYTES, self._max_bytes), max_dbs=confirmed_table.DATABASES)
        # A page beyond the file's end could not be read without being killed by the kernel.
        if (self._durable.info()["last_pgno"] + 1) * self._durable.stat()["psize"] > (path / "data.mdb").stat().st_size:
            raise StoreUnavailable(self._damaged("its file is cut short"))
        self._confirmed = ConfirmedTable(self._durable)
        self._change_durable(self._check_format)

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
                self._change_durable(partial(self._confirmed.put_unless_newer, entries=entries))
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
            self._recent, self._tables, self._entries, self._confirmed, self._change_durable, self._folder.recent
        )

    def _open(self, path: Path, **options: Any) -> Any:
        # Mapped as well. Never opened later: closing any file of it would end the locks that this process holds on it.
        if not (lock := path / "lock.mdb").exists():
            set_aside(lock, LOCK_BYTES)
        environment = lmdb.open(str(path), mode=0o600, **options)
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

    # --- what goes wrong -------------------------------------------------------------------------------------------------------

    def _damaged(self, found: str) -> str:
        return (
            f"the dedup store in {self._path} is damaged or no dedup store: {found}; restore it, or point dedup.path at an empty folder "
            "(what was reported is then no longer known)"
        )

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        """Turn what LMDB and the file system say into a sentence that names the folder and what to do."""
        try:
            yield
        except lmdb.MapFullError:
            raise StoreUnavailable(
                f"the dedup store in {self._path} has no room for more unfinished messages; lower limits.unfinished"
            ) from None
        except (lmdb.ReadonlyError, lmdb.LockError, PermissionError) as error:
            raise StoreUnavailable(
                f"the dedup store in {self._path} cannot be {verb}: {_text(error)}; it must be writable for this user"
            ) from None
        except _DAMAGED as error:
            raise StoreUnavailable(self._damaged(_text(error))) from None
        except (lmdb.Error, OSError) as error:
            raise StoreUnavailable(
                f"the dedup store in {self._path} cannot be {verb}: {_text(error)}; is the disk full, or dedup.path no folder?"
            ) from None


_DAMAGED = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.BadChecksumError,
    lmdb.BadTxnError,
    lmdb.ProblemError,
)


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
