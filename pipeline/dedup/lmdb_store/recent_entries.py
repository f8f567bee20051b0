"""The recent confirmations of all processes of this host, in the memory of this process: a copy of the logs of the current and the frozen round.

A look-up here costs a fraction of a look-up in a tree on disk. Each process reads the parts that other processes wrote since its last look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.dedup.lmdb_store.environment import Transaction
from pipeline.dedup.lmdb_store.recent_tables import RecentTables, Round
from pipeline.dedup.lmdb_store.sorted_runs import SortedRuns


class RecentEntries:
    """Key to entry, by round. It is up to date for a transaction once `catch_up` was called in it."""

    def __init__(self, tables: RecentTables) -> None:
        self._tables = tables
        self._round = 0
        self._last = 0  # the last part read of the current round's log
        self._current: dict[bytes, bytes] = {}
        self._frozen: dict[bytes, bytes] = {}
        self.frozen_runs = SortedRuns({})
        """The frozen entries in the order of their keys. They are sorted in the process that moves them."""

    def __len__(self) -> int:
        """Return the number of keys in the current round."""
        return len(self._current)

    def unmoved(self, state: Round) -> int:
        """Return about how many keys the durable table does not have yet."""
        return len(self._current) + (0 if state.is_moved else len(self._frozen))

    def catch_up(self, transaction: Transaction, state: Round) -> None:
        """Read the confirmations since the last call, of all processes."""
        if state.number != self._round:
            before, read_to = (self._current, self._last) if state.number == self._round + 1 else ({}, 0)
            self._tables.read_log(transaction, state.number - 1, read_to, before)
            self._frozen, self.frozen_runs = before, SortedRuns(before)
            self._current, self._last, self._round = {}, 0, state.number
        self._last = self._tables.read_log(transaction, state.number, self._last, self._current)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the entries of the keys that were confirmed in the two rounds. Of two entries the newer one counts."""
        frozen, current = self._frozen, self._current
        found = {key: frozen[key] for key in frozen.keys() & keys}
        found.update([(key, current[key]) for key in current.keys() & keys])
        return found

    def all(self) -> dict[bytes, bytes]:
        """Return the entries of the two rounds. Of two entries of a key the newer one counts."""
        return self._frozen | self._current

    def add(self, part: int, entries: Mapping[bytes, bytes]) -> None:
        """Add the entries that this process wrote as part `part` of the log, which is the part after the last one read."""
        self._current.update(entries)
        self._last = part
