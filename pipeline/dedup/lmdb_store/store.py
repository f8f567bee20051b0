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

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.contracts.rate_table import RateTable
from pipeline.contracts.values import Claim, ClaimResult, StoreUsage
from pipeline.dedup.clocks import Clocks
from pipeline.dedup.entry import NEVER, confirmed_entries, is_ordered, owner_number, resolve_claims
from pipeline.dedup.lmdb_store import recent_tables
from pipeline.dedup.lmdb_store.bounded_wait import HolderWait
from pipeline.dedup.lmdb_store.faults import store_errors
from pipeline.dedup.lmdb_store.mover import RoundMover
from pipeline.dedup.lmdb_store.rates import LmdbRates
from pipeline.dedup.lmdb_store.recent_entries import RecentEntries
from pipeline.dedup.lmdb_store.recent_tables import Round
from pipeline.dedup.lmdb_store.store_files import StoreFiles
from pipeline.errors import StoreUnavailable

SWEPT_AT_ONCE = 2_000


class LmdbStore:
    """A `DedupStore` in a folder of a local disk. A process may open it once, and must not use it after a fork."""

    def __init__(
        self,
        folder: Path,
        owner: str,
        *,
        keep_ms: int,
        lease_ms: int,
        max_bytes: int,
        clocks: Clocks,
        wait: HolderWait | None = None,
    ) -> None:
        """Open the store, or create it. `wait` waits while another process opens it or writes to it, now and later.

        Raises:
            StoreUnavailable: the folder cannot be created, read or written, is open in this process, or is not a dedup store.
        """
        self._path = folder
        self._owner = owner_number(owner)
        self._keep_ms, self._lease_ms = keep_ms, lease_ms
        self._round = 0  # the current round at the last `claim`
        self._is_open, self._wait = True, wait or HolderWait()
        with store_errors(self._path, "opened"):
            files = self._files = StoreFiles(
                folder, self._owner, keep_ms=keep_ms, wait=self._wait, max_bytes=max_bytes, clocks=clocks
            )
            self._recent, self._tables = files.recent, files.tables
            self._durable, self._confirmed = files.durable, files.confirmed
            self._journal, self._clock = files.journal, files.clock
            self.identity = files.identity
            self._entries = RecentEntries(self._tables)
            self._mover = RoundMover(
                self._recent,
                self._tables,
                self._entries,
                self._confirmed,
                self._durable,
                files.journals,
                self._clock,
            )
            with ExitStack() as closed_on_error:
                closed_on_error.callback(self._close_files)
                self._journal_missing()
                self.renew()
                closed_on_error.pop_all()

    # --- the contract ----------------------------------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the answers to the claims, in order. The lock on the tables of this boot stops other processes until all claims have an answer.

        While a journal cannot be written nothing is granted, since no confirmation could be made durable.
        """
        if not claims:
            return []
        keys, now_ms = sorted({claim.key for claim in claims}), self._clock.now_ms()
        with store_errors(self._path, "written"):
            self._journal_missing()
            confirmed = self._durable_entries(keys)  # before the lock, since this takes the longest
            with self._recent.writing() as changing:
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
            self._appended(part, answers.advanced)
        return answers.results

    def look_up(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the results that `claim` would return now, and change nothing."""
        keys, now_ms = sorted({claim.key for claim in claims}), self._clock.now_ms()
        with store_errors(self._path, "read"), self._recent.reading() as reading:
            self._entries.catch_up(reading, self._tables.round(reading))
            confirmed = self._known(keys)
            return resolve_claims(claims, *self._tables.held(reading, keys, now_ms), confirmed, now_ms).results

    def confirm(self, claims: Sequence[Claim]) -> None:
        """Mark the messages as reported. The same transaction ends their claims, so that at every moment the claim or the confirmation exists.

        It needs no room on the disk. Where the journal has none, the tables of this boot still remember the messages, and `sync` raises.
        """
        if not claims:
            return
        now_ms = self._clock.now_ms()
        with store_errors(self._path, "written"):
            with self._recent.writing() as changing:
                state = self._tables.round(changing)
                self._entries.catch_up(changing, state)
                entries = confirmed_entries(claims, now_ms + self._keep_ms, self._known, now_ms)
                part = self._append(changing, state, entries)
                self._tables.release(changing, [claim.key for claim in claims], self._owner)
            self._appended(part, entries)

    def release(self, claims: Sequence[Claim], *, in_doubt: bool = False) -> None:
        """Release the claims without a report."""
        if claims:
            doubtful = {claim.key for claim in claims if in_doubt and claim.order}
            with store_errors(self._path, "written"), self._recent.writing() as changing:
                self._tables.release(changing, {claim.key for claim in claims} - doubtful, self._owner)
                self._tables.leave(changing, doubtful, self._owner)

    def renew(self) -> None:
        """Renew the lease. This is one write, whatever the number of claims."""
        with store_errors(self._path, "written"), self._recent.writing() as changing:
            self._tables.renew(changing, self._owner, self._clock.now_ms() + self._lease_ms)

    def sync(self) -> None:
        """Flush the journal, with the confirmations that some process could not write to its own."""
        with store_errors(self._path, "written"):
            self._journal_missing()
            self._journal.sync()

    def sweep(self) -> int:
        """Move some recent confirmations, delete some expired entries and orphaned claims, and return the number of entries deleted."""
        with store_errors(self._path, "written"):
            self._recent.check_readers()
            self._durable.check_readers()
            forgotten = self._mover.step_if_due()
            self._mover.note_time_if_due()
            self._delete_orphans(self._clock.now_ms())
        return forgotten

    def usage(self) -> StoreUsage:
        """Return how full the durable table is. The recent entries count as keys, and take their room later."""
        with store_errors(self._path, "read"), self._recent.reading() as recent, self._durable.reading() as reading:
            self._entries.catch_up(recent, state := self._tables.round(recent))
            keys, used_bytes = self._confirmed.size(reading)
        return StoreUsage(keys + self._entries.unmoved(state), used_bytes, self._files.max_bytes)

    def rates(self) -> RateTable:
        """Return the table of rates. Raises `StoreUnavailable`."""
        return LmdbRates(self._recent, self._tables.rates, self._path, self._clock.now_ms)

    def close(self) -> None:
        """End the lease, which releases all claims of this owner, and close. If another process keeps the store locked, the lease ends by itself."""
        if not self._is_open:
            return
        self._wait.end()
        with store_errors(self._path, "written"):
            try:
                with self._recent.writing() as changing:
                    self._tables.end_lease(changing, self._owner)
            except StoreUnavailable as error:
                if not error.may_pass:
                    raise
            finally:
                self._close_files()

    # --- the durable table -----------------------------------------------------------------------------------------------------

    def _durable_entries(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        with self._durable.reading() as reading:
            return self._confirmed.get(reading, keys)

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the entries of sorted keys, once the recent entries are up to date for a transaction that is open.

        The durable table is read last: what is in neither round of the transaction is there.
        """
        return self._durable_entries(keys) | self._entries.get(keys)

    def _append(self, changing: Any, state: Round, entries: Mapping[bytes, bytes]) -> int:
        """Append entries to the current log and to the journal. Return the number of the part, or 0 if there are no entries."""
        if not entries:
            return 0
        written = recent_tables.blocks([key + value for key, value in entries.items()])
        part = self._tables.append(changing, state, written)
        try:
            self._journal.append(state.number, written)
        except OSError:  # the disk is full or broken; the map of the tables has its room already
            self._tables.mark_unjournaled(changing, state, part)
        return part

    def _journal_missing(self) -> None:
        """Write the confirmations that no journal has to that of this process, whichever process made them, and flush it."""
        with self._recent.reading() as reading:
            if not (mark := self._tables.unjournaled(reading)):
                return
            state = self._tables.round(reading)
            self._entries.catch_up(reading, state)
        # What is in neither round is in the durable table.
        if entries := [key + value for key, value in self._entries.all().items()]:
            self._journal.append(state.number, recent_tables.blocks(entries))
            self._journal.sync()
        with self._recent.writing() as changing:
            self._tables.end_unjournaled(changing, mark)

    def _appended(self, part: int, entries: Mapping[bytes, bytes]) -> None:
        """Follow a transaction that appended a part: keep a copy of it, and move entries if there are too many."""
        if part:
            self._entries.add(part, entries)
            self._mover.step_if_full()

    def _delete_orphans(self, now_ms: int) -> None:
        """Delete claims of ended owners, except those that leave a confirmed version in doubt: they stay until their key is claimed again."""
        with self._recent.reading() as reading:
            ended, orphans = self._tables.orphans(reading, now_ms, SWEPT_AT_ONCE)
            self._entries.catch_up(reading, self._tables.round(reading))
            known = self._known(orphans)
        orphans = [key for key in orphans if not is_ordered(known.get(key, NEVER))]
        if ended or orphans:
            with self._recent.writing() as changing:
                self._tables.delete_orphans(changing, ended, orphans, now_ms)

    def _close_files(self) -> None:
        self._is_open = False
        self._files.close()
