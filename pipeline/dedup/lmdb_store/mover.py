"""Moves recent confirmations to the durable table, one slice at a time, and removes expired ones. Any process of the host may take the next step.

The work of a step is bounded by counts, because the step holds the loop.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.dedup.entry import end_of
from pipeline.dedup.lmdb_store.capacity import LOOKED_PER_MOVED
from pipeline.dedup.lmdb_store.confirmed import ConfirmedTable, Look
from pipeline.dedup.lmdb_store.environment import FixedEnvironment, GrowingEnvironment
from pipeline.dedup.lmdb_store.journal import forget_rounds
from pipeline.dedup.lmdb_store.recent_entries import RecentEntries
from pipeline.dedup.lmdb_store.recent_tables import RecentTables, Round
from pipeline.dedup.lmdb_store.store_clock import StoreClock

EVERY_MS = 100
"""The least time between two steps of all processes of the host."""

NOTE_EVERY_MS = 600_000
"""How often the time of the store is noted on the disk where nothing is moved. After a crash of the machine the clock may go back by so much."""

ROUND_MS = 10_000
ROUND_ENTRIES = 50_000

MOST_RECENT = 150_000
"""The number of confirmations in one round beyond which each `confirm` takes a step itself, because sweeping does not keep up. A larger number
writes fewer pages of the durable table, but every process keeps two rounds in memory, at about 180 bytes an entry."""

SLICE = 6_000
"""The most entries that are moved in one step. They are a range of keys, so they change few pages of the durable table. A larger number holds the
loop for longer, a smaller one waits for the disk more often."""

FOUND_PER_MOVED = 2
"""For each entry that is moved, at most so many expired ones are deleted in the same step."""

IDLE_LOOK = Look(entries=500, expired=500)
"""What a step looks at in which nothing is moved."""


class RoundMover:
    """Ends rounds, and moves the frozen round to the durable table."""

    def __init__(
        self,
        recent: FixedEnvironment,
        tables: RecentTables,
        entries: RecentEntries,
        confirmed: ConfirmedTable,
        durable: GrowingEnvironment,
        journals: Path,
        clock: StoreClock,
    ) -> None:
        """Begin. `recent` holds `tables`, `durable` holds `confirmed`, and `journals` is the folder of the journals of this boot."""
        self._recent = recent
        self._tables = tables
        self._entries = entries
        self._confirmed = confirmed
        self._durable = durable
        self._journals = journals
        self._clock = clock

    def step_if_due(self) -> int:
        """Take a step, unless a process did so less than `EVERY_MS` ago. Return the number of expired entries that are deleted."""
        state, now_ms = self._look(), self._clock.now_ms()
        if now_ms - state.moved_ms < EVERY_MS:
            return 0
        if state.is_moved:
            forgotten = self._forget_expired()
        else:
            forgotten = self._move_slice() if self._entries.frozen_runs.sort_some() else 0
            state = self._look()
        current = len(self._entries) if state.is_moved else 0
        if current >= ROUND_ENTRIES or (current and now_ms - state.began_ms >= ROUND_MS):
            self._begin_round(state)
        return forgotten

    def step_if_full(self) -> None:
        """Move a slice, and freeze the current round once the frozen one is moved, if the current one has more than `MOST_RECENT` entries."""
        if len(self._entries) <= MOST_RECENT:
            return
        if not self._look().is_moved and self._entries.frozen_runs.sort_some():
            self._move_slice()
        if (state := self._look()).is_moved:
            self._begin_round(state)

    def note_time_if_due(self) -> None:
        """Note the time of the store on the disk, unless a process did so less than `NOTE_EVERY_MS` ago."""
        with self._durable.reading() as reading:
            noted = self._confirmed.noted_time(reading)
        time = self._clock.note()
        if noted is None or time.store_ms - noted.store_ms >= NOTE_EVERY_MS:
            self._durable.change(lambda changing: self._confirmed.note_time(changing, time))

    def _look(self) -> Round:
        with self._recent.reading() as reading:
            state = self._tables.round(reading)
            self._entries.catch_up(reading, state)
            return state

    def _begin_round(self, expected: Round) -> None:
        with self._recent.writing() as changing:
            if self._tables.round(changing) != expected:
                return  # another process was first
            following = self._tables.begin_round(changing, expected, self._clock.now_ms())
        forget_rounds(self._journals, following.number - 1)

    def _move_slice(self) -> int:
        steps: list[tuple[Round, Round, bytes]] = []

        def move(changing: Any) -> int:
            # This runs under the lock of the durable table, so that no process can write entries of an older round over those of a newer one.
            state, time = self._look(), self._clock.note()
            runs = self._entries.frozen_runs
            if state.is_moved or not runs.sort_some():  # another process moved the round, or began the next one
                steps.append((state, state, self._swept_to()))
                return 0
            entries, is_last = runs.next_range(state.moved_to, SLICE)
            ended = end_of(time.store_ms)
            # An older entry of an expired key must not come to light again, where `dedup.keep` was longer when it was confirmed.
            expired = [key for key, value in entries if value <= ended]
            self._confirmed.put(changing, [each for each in entries if each[1] > ended] if expired else entries)
            self._confirmed.delete(changing, expired)
            look = Look(LOOKED_PER_MOVED * len(entries), FOUND_PER_MOVED * len(entries))
            found, following = self._confirmed.expired(changing, self._swept_to(), time.store_ms, look)
            self._confirmed.delete(changing, found)
            self._confirmed.note_time(changing, time)
            steps.append((state, state.moved(None if is_last else entries[-1][0], time.store_ms), following))
            return len(expired) + len(found)

        forgotten = self._durable.change(move)
        before, after, following = steps[-1]
        with self._recent.writing() as changing:
            if self._tables.round(changing) == before:
                self._tables.set_round(changing, after)
            self._tables.set_swept_to(changing, following)
        return forgotten

    def _forget_expired(self) -> int:
        now_ms, start = self._clock.now_ms(), self._swept_to()
        with self._durable.reading() as reading:
            expired, following = self._confirmed.expired(reading, start, now_ms, IDLE_LOOK)
        forgotten = 0
        if expired:
            forgotten = self._durable.change(lambda changing: self._confirmed.forget(changing, expired, now_ms))
        if following != start:
            with self._recent.writing() as changing:
                self._tables.set_swept_to(changing, following)
        return forgotten

    def _swept_to(self) -> bytes:
        with self._recent.reading() as reading:
            return self._tables.swept_to(reading)
