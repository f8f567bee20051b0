"""The embedded dedup store: one folder, shared by all processes of one host.

Confirmations must survive a crash of the machine: they are in the durable table and in the journals. Claims and leases must only survive a
process: they are in the tables of this boot (`recent_tables`). `confirm` appends to a log there and to the journal, and `sync` flushes the
journal: both are small sequential writes, whatever the size of the store. `sweep` moves recent confirmations to the durable table in large sorted
slices: writing each batch there would write one page, and wait for the disk, for each key. After a crash of the machine, opening the store reads
the journals.

LMDB flushes each change of the durable table, so a crash leaves it intact. The tables of this boot are written through a memory map without
flushing: a process that dies leaves them intact, and after a crash of the machine they are not read.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.contracts.interfaces import RateTable
from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup.entry import NEVER, confirmed_entries, is_ordered, ordered_keys, owner_number, resolve_claims
from pipeline.dedup.lmdb_store import confirmed as confirmed_table
from pipeline.dedup.lmdb_store import recent_tables
from pipeline.dedup.lmdb_store.confirmed import ConfirmedTable
from pipeline.dedup.lmdb_store.environment import GrowingEnvironment, first_map_bytes, open_environment
from pipeline.dedup.lmdb_store.faults import store_errors
from pipeline.dedup.lmdb_store.folder import StoreFolder, allocate
from pipeline.dedup.lmdb_store.journal import Journal
from pipeline.dedup.lmdb_store.mover import RoundMover
from pipeline.dedup.lmdb_store.rates import LmdbRates
from pipeline.dedup.lmdb_store.recent_entries import RecentEntries
from pipeline.dedup.lmdb_store.recent_tables import RecentTables, Round
from pipeline.dedup.lmdb_store.recovery import recover, refuse_if_in_use
from pipeline.errors import StoreUnavailable

RECENT_BYTES = 128 << 20
"""The size of the tables of one boot. It is the same in every process, since a smaller map would shorten the file of the others. It is allocated
on the disk at once, since the kernel kills a process that writes to a map for which the disk has no room."""
OPENING_BYTES = 1 << 20
"""The free disk space that the small files need."""

SWEPT_AT_ONCE = 2_000


class LmdbStore:
    """A `DedupStore` in a folder of a local disk. A process may open it once, and must not use it after a fork."""

    def __init__(self, folder: Path, owner: str, *, keep_ms: int, lease_ms: int, max_bytes: int, now_ms: int) -> None:
        """Open the store, or create it. Waits while another process opens it.

        Raises:
            StoreUnavailable: the folder cannot be created, read or written, is open in this process, or is not a dedup store.
        """
        self._path = folder
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self._max_bytes = max(max_bytes // mmap.PAGESIZE, 16) * mmap.PAGESIZE
        self._environments: list[Any] = []
        self._round = 0  # the current round at the last `claim`
        self._is_open = True
        with store_errors(self._path, "opened"):
            self._folder = StoreFolder(folder)
            self._journal = Journal(self._folder.recent, self._owner)
            try:
                with self._folder.opening():
                    is_new = not (self._folder.recent / "data.mdb").exists()
                    self._folder.require_room(OPENING_BYTES + RECENT_BYTES * is_new)
                    refuse_if_in_use(self._folder)
                    self._open_durable()
                    recover(self._folder, self._confirmed, self._durable, now_ms)
                    self._open_recent()
                    if is_new:
                        allocate(self._folder.recent / "data.mdb", RECENT_BYTES)
                self.renew(now_ms)
            except BaseException:
                self._close_files()
                raise

    # --- the contract ----------------------------------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Return the answers to the claims, in order. The lock on the tables of this boot stops other processes until all claims have an answer."""
        if not claims:
            return []
        keys = sorted({claim.key for claim in claims})
        with store_errors(self._path, "written"):
            confirmed = self._durable_entries(keys)  # before the lock, since this takes the longest
            with self._recent.begin(write=True) as changing:
                state = self._tables.round(changing)
                if state.number != self._round:
                    # A round was moved to the durable table, perhaps after `confirmed` was read: its entries are only there now.
                    confirmed = self._durable_entries(keys)
                    self._round = state.number
                self._entries.catch_up(changing, state)
                confirmed.update(self._entries.get(keys))
                answers = resolve_claims(claims, *self._tables.held(changing, keys, now_ms), confirmed, now_ms)
                self._tables.hold(changing, answers.granted, self._owner)
                part = self._append(changing, state, answers.advanced)
            self._appended(part, answers.advanced, now_ms)
        return answers.results

    def look_up(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Return the results that `claim` would return now, and change nothing."""
        keys = sorted({claim.key for claim in claims})
        with store_errors(self._path, "read"), self._recent.begin() as reading:
            confirmed = self._known(reading, self._tables.round(reading), keys)
            return resolve_claims(claims, *self._tables.held(reading, keys, now_ms), confirmed, now_ms).results

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark the messages as reported. The same transaction ends their claims, so that at every moment the claim or the confirmation exists."""
        if not claims:
            return
        ordered = ordered_keys(claims)
        with store_errors(self._path, "written"):
            with self._recent.begin(write=True) as changing:
                state = self._tables.round(changing)
                confirmed = self._known(changing, state, ordered)
                entries = confirmed_entries(claims, now_ms + self._keep_ms, confirmed, now_ms)
                part = self._append(changing, state, entries)
                self._tables.release(changing, [claim.key for claim in claims], self._owner)
            self._appended(part, entries, now_ms)

    def release(self, claims: Sequence[Claim]) -> None:
        """Release the claims without a report."""
        if claims:
            with store_errors(self._path, "written"), self._recent.begin(write=True) as changing:
                self._tables.release(changing, {claim.key for claim in claims}, self._owner)

    def renew(self, now_ms: int) -> None:
        """Renew the lease. This is one write, whatever the number of claims."""
        with store_errors(self._path, "written"), self._recent.begin(write=True) as changing:
            self._tables.renew(changing, self._owner, now_ms + self._lease_ms)

    def sync(self) -> None:
        """Flush the journal."""
        with store_errors(self._path, "written"):
            self._journal.sync()

    def sweep(self, now_ms: int) -> int:
        """Move a slice of the recent confirmations, and delete expired entries and orphaned claims, at most 2,000 of each. Return the number of entries deleted."""
        with store_errors(self._path, "written"):
            for environment in self._environments:
                environment.reader_check()  # free the slots of dead processes, which keep LMDB from using old pages again
            forgotten = self._mover.move_if_due(now_ms) + self._mover.forget_expired(now_ms, SWEPT_AT_ONCE)
            self._delete_orphans(now_ms)
        return forgotten

    def rates(self, clock: Callable[[], int]) -> RateTable:
        """Return the table of rates."""
        return LmdbRates(lambda: self._recent.begin(write=True), self._tables.rates, self._path, clock)

    def close(self) -> None:
        """End the lease, which releases all claims of this owner, and close."""
        if not self._is_open:
            return
        with store_errors(self._path, "written"):
            try:
                with self._recent.begin(write=True) as changing:
                    self._tables.end_lease(changing, self._owner)
            finally:
                self._close_files()

    # --- the durable table -----------------------------------------------------------------------------------------------------

    def _durable_entries(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        with self._durable.reading() as reading:
            return self._confirmed.get(reading, keys)

    def _known(self, transaction: Any, state: Round, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the entries of the sorted keys. The durable table is read last: what is in neither round of the transaction is there."""
        self._entries.catch_up(transaction, state)
        if not keys:
            return {}
        return self._durable_entries(keys) | self._entries.get(keys)

    def _append(self, changing: Any, state: Round, entries: Mapping[bytes, bytes]) -> int:
        """Append entries to the journal and to the current log. Return the number of the part, or 0 if there are no entries."""
        written = recent_tables.blocks([key + value for key, value in entries.items()])
        if not entries:
            return 0
        self._journal.append(state.number, written)
        return self._tables.append(changing, state, written)

    def _appended(self, part: int, entries: Mapping[bytes, bytes], now_ms: int) -> None:
        """Follow a transaction that appended a part: keep a copy of it, and move entries if there are too many."""
        if part:
            self._entries.add(part, entries)
            self._mover.move_if_full(now_ms)

    def _delete_orphans(self, now_ms: int) -> None:
        """Delete claims of ended owners, except those that leave a confirmed version in doubt: they stay until their key is claimed again."""
        with self._recent.begin() as reading:
            ended, orphans = self._tables.orphans(reading, now_ms, SWEPT_AT_ONCE)
            known = self._known(reading, self._tables.round(reading), orphans)
        orphans = [key for key in orphans if not is_ordered(known.get(key, NEVER))]
        if ended or orphans:
            with self._recent.begin(write=True) as changing:
                self._tables.delete_orphans(changing, ended, orphans, now_ms)

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
                f"{confirmed_table.FORMAT!r}; set dedup.path to an empty folder, or run the version that created it"
            )
        return 0

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
            self._recent, self._tables, self._entries, self._confirmed, self._durable, self._folder.recent
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
