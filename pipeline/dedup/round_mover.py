"""Moves recent confirmations to the durable table, a slice at a time, whichever process's turn it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pipeline.dedup.confirmed_table import ConfirmedTable
from pipeline.dedup.entry import expires_ms
from pipeline.dedup.journal import forget_rounds
from pipeline.dedup.recent_tables import RecentTables, Round

EVERY_MS = 900
ROUND_MS = 10_000
ROUND_ENTRIES = 50_000


class ChangeDurable(Protocol):
    """Runs work in one durable transaction, again if the map had to grow."""

    def __call__(self, work: Callable[[Any], int]) -> int:
        """Return what the work returned, once it is on the disk."""
        ...


class RoundMover:
    """Ends rounds and moves what is frozen."""

    def __init__(
        self, environment: Any, tables: RecentTables, confirmed: ConfirmedTable, change: ChangeDurable, journals: Path
    ) -> None:
        """`environment` holds `tables`; `change` writes to `confirmed`; `journals` is the folder of this boot's journals."""
        self._environment = environment
        self._tables = tables
        self._confirmed = confirmed
        self._change = change
        self._journals = journals

    def move_if_due(self, now_ms: int) -> int:
        """Take one step, unless a process did so less than `EVERY_MS` ago. Returns how many entries were left behind as expired."""
        state, gathered = self._look()
        if 0 <= now_ms - state.moved_ms < EVERY_MS:
            return 0
        if state.is_moved:
            if gathered >= ROUND_ENTRIES or (gathered and not 0 <= now_ms - state.began_ms < ROUND_MS):
                self._begin_round(state, now_ms)
            return 0
        return self._move_slice(now_ms)

    def move_all(self, now_ms: int) -> None:
        """Freeze the current round, once what was frozen before is moved."""
        target = self._look()[0].number + 1
        while (state := self._look()[0]).number < target:
            if state.is_moved:
                self._begin_round(state, now_ms)
            else:
                self._move_slice(now_ms)

    def _look(self) -> tuple[Round, int]:
        with self._environment.begin() as reading:
            state = self._tables.round(reading)
            return state, self._tables.current_entries(reading, state)

    def _begin_round(self, expected: Round, now_ms: int) -> None:
        with self._environment.begin(write=True) as changing:
            if self._tables.round(changing) != expected:
                return  # another process was first
            following = self._tables.begin_round(changing, expected, now_ms)
        forget_rounds(self._journals, following.number - 1)

    def _move_slice(self, now_ms: int) -> int:
        steps: list[tuple[Round, Round]] = []

        def move(changing: Any) -> int:
            # Looked up under the durable table's lock: no process can put an older round's entries over a newer's.
            with self._environment.begin() as reading:
                state = self._tables.round(reading)
                entries = [] if state.is_moved else self._tables.frozen_slice(reading, state)
            living = [entry for entry in entries if expires_ms(entry[1]) > now_ms]
            self._confirmed.put(changing, living)
            steps.append((state, state.moved(entries[-1][0] if entries else None, now_ms)))
            return len(entries) - len(living)

        expired = self._change(move)
        before, after = steps[-1]
        with self._environment.begin(write=True) as changing:
            if self._tables.round(changing) == before:
                self._tables.set_round(changing, after)
        return expired
