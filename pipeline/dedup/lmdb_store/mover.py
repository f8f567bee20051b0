"""Moves recent confirmations to the durable table, one slice at a time, and removes expired ones. Any process of the host may do the next step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.dedup.entry import end_of
from pipeline.dedup.lmdb_store.confirmed import ConfirmedTable
from pipeline.dedup.lmdb_store.environment import GrowingEnvironment
from pipeline.dedup.lmdb_store.journal import forget_rounds
from pipeline.dedup.lmdb_store.recent_entries import RecentEntries
from pipeline.dedup.lmdb_store.recent_tables import RecentTables, Round
from pipeline.dedup.lmdb_store.store_clock import StoreClock

EVERY_MS = 900
NOTE_EVERY_MS = 600_000
"""How often the time of the store is noted on the disk where nothing is moved. After a crash of the machine the clock may go back by so much."""

ROUND_MS = 10_000
ROUND_ENTRIES = 50_000

MOST_RECENT = 150_000
"""The largest number of confirmations in one round. Beyond it `confirm` itself moves the round before, if sweeping does not keep up. A larger
number writes fewer pages of the durable table, but every process keeps two rounds in memory, at about 180 bytes an entry."""

SLICES = 16
LEAST_SLICE = 4_000
"""The least number of entries in a slice. A frozen round is moved in `SLICES` slices, or fewer if it is small or the current round fills faster.
A slice is a range of keys, so it changes few pages of the durable table."""


class RoundMover:
    """Ends rounds, and moves the frozen round to the durable table."""

    def __init__(
        self,
        environment: Any,
        tables: RecentTables,
        entries: RecentEntries,
        confirmed: ConfirmedTable,
        durable: GrowingEnvironment,
        journals: Path,
        clock: StoreClock,
    ) -> None:
        """Begin. `environment` holds `tables`, `durable` holds `confirmed`, and `journals` is the folder of the journals of this boot."""
        self._environment = environment
        self._tables = tables
        self._entries = entries
        self._confirmed = confirmed
        self._durable = durable
        self._journals = journals
        self._clock = clock

    def move_if_due(self) -> int:
        """Move a slice or begin a round, unless a process did so less than `EVERY_MS` ago. Return the number of entries not moved since they expired."""
        state, now_ms = self._look(), self._clock.now_ms()
        current = len(self._entries)
        if now_ms - state.moved_ms < EVERY_MS:
            return 0
        if state.is_moved:
            if current >= ROUND_ENTRIES or (current and now_ms - state.began_ms >= ROUND_MS):
                self._begin_round(state)
            return 0
        return self._move_slice()

    def move_if_full(self) -> None:
        """Move the frozen round and freeze the current one, if the current one has more than `MOST_RECENT` entries."""
        if len(self._entries) <= MOST_RECENT:
            return
        target = self._look().number + 1
        while (state := self._look()).number < target:
            if state.is_moved:
                self._begin_round(state)
            else:
                self._move_slice()

    def forget_expired(self, most: int) -> int:
        """Delete the expired entries among the next `most` of the durable table, and return their number."""
        now_ms = self._clock.now_ms()
        with self._environment.begin() as reading:
            start = self._tables.swept_to(reading)
        with self._durable.reading() as reading:
            expired, following = self._confirmed.expired(reading, start, now_ms, most)
        forgotten = 0
        if expired:
            forgotten = self._durable.change(lambda changing: self._confirmed.forget(changing, expired, now_ms))
        if following != start:
            with self._environment.begin(write=True) as changing:
                self._tables.set_swept_to(changing, following)
        return forgotten

    def note_time_if_due(self) -> None:
        """Note the time of the store on the disk, unless a process did so less than `NOTE_EVERY_MS` ago."""
        with self._durable.reading() as reading:
            noted = self._confirmed.noted_time(reading)
        time = self._clock.note()
        if noted is None or time.store_ms - noted.store_ms >= NOTE_EVERY_MS:
            self._durable.change(lambda changing: self._confirmed.note_time(changing, time))

    def _look(self) -> Round:
        with self._environment.begin() as reading:
            state = self._tables.round(reading)
            self._entries.catch_up(reading, state)
            return state

    def _begin_round(self, expected: Round) -> None:
        with self._environment.begin(write=True) as changing:
            if self._tables.round(changing) != expected:
                return  # another process was first
            following = self._tables.begin_round(changing, expected, self._clock.now_ms())
        forget_rounds(self._journals, following.number - 1)

    def _slice_size(self, state: Round) -> int:
        """Return the size of the next slice: the frozen round must be moved by the time the current one is full."""
        frozen, unmoved = self._entries.frozen, self._entries.unmoved(state)
        due = int(frozen * len(self._entries) / MOST_RECENT) - (frozen - unmoved)
        return max(LEAST_SLICE, frozen // SLICES, due)

    def _move_slice(self) -> int:
        steps: list[tuple[Round, Round]] = []

        def move(changing: Any) -> int:
            # This runs under the lock of the durable table, so that no process can write entries of an older round over those of a newer one.
            state = self._look()
            entries = [] if state.is_moved else self._entries.next_unmoved(state, self._slice_size(state))
            time = self._clock.note()
            ended = end_of(time.store_ms)
            living = [entry for entry in entries if entry[1] > ended]
            self._confirmed.put(changing, living)
            # An older entry of such a key must not come to light again, where `dedup.keep` was longer when it was confirmed.
            self._confirmed.delete(changing, [key for key, value in entries if value <= ended])
            self._confirmed.note_time(changing, time)
            steps.append((state, state.moved(entries[-1][0] if entries else None, time.store_ms)))
            return len(entries) - len(living)

        expired = self._durable.change(move)
        before, after = steps[-1]
        with self._environment.begin(write=True) as changing:
            if self._tables.round(changing) == before:
                self._tables.set_round(changing, after)
        return expired
