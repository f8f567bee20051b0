"""Expiry in the embedded store keeps up with what is confirmed, and no step of the upkeep does more than it may."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup.entry import ORDERED_BYTES, PLAIN_BYTES
from pipeline.dedup.lmdb_store import mover, sorted_runs
from tests.support.dedup_stores import open_lmdb

LEASE = 15_000


@pytest.fixture
def opened(machine, tmp_path):
    """Open the store. It is closed at the end."""
    stores = []

    def open_(keep_ms):
        stores.append(open_lmdb(tmp_path, machine=machine, keep_ms=keep_ms, lease_ms=LEASE, max_bytes=1 << 28))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def new_claims(count):
    return [Claim(os.urandom(16), bytes(8), bytes(8)) for _ in range(count)]


def entries_in(store):
    """Return the number of entries in the durable table of an open store."""
    with store._durable.reading() as reading:
        return reading.stat(store._confirmed._confirmed)["entries"]


@pytest.mark.slow
def test_a_store_holds_at_most_half_more_than_what_lives_whatever_the_rate(opened, machine, monkeypatch):
    """A step looks at three entries for each that it moves. Before, it looked at 2,000 a second, and a faster store grew until it was full."""
    monkeypatch.setattr(mover, "SLICE", 100)
    monkeypatch.setattr(mover, "ROUND_ENTRIES", 200)
    monkeypatch.setattr(mover, "IDLE_LOOK", mover.Look(1, 1))
    keep_ms, a_step = 20_000, 60
    store = opened(keep_ms)
    living = keep_ms // 250 * a_step
    most = 0
    for step in range(5 * keep_ms // 250):
        store.confirm(new_claims(a_step))
        machine.wait(250)
        store.sweep()
        if step > keep_ms // 250:
            most = max(most, entries_in(store))
    assert living * 0.9 < most < living * 3 / 2 * 1.1


def test_no_step_moves_or_deletes_more_than_it_may(opened, machine, monkeypatch):
    monkeypatch.setattr(mover, "SLICE", 70)
    monkeypatch.setattr(mover, "IDLE_LOOK", mover.Look(30, 20))
    keep_ms = 60_000
    store = opened(keep_ms)
    store.confirm(new_claims(1_000))
    machine.wait(mover.ROUND_MS)
    entries = [entries_in(store)]
    for _ in range(20):
        assert store.sweep() == 0
        machine.wait(250)
        entries.append(entries_in(store))
    assert entries[-1] == 1_000
    assert all(after - before <= 70 for before, after in itertools.pairwise(entries))

    machine.wait(keep_ms)  # all of them expire, and then only some at a time are deleted
    store.confirm(new_claims(300))
    machine.wait(mover.ROUND_MS)
    deleted = []
    for _ in range(60):
        deleted.append(store.sweep())
        machine.wait(250)
    assert sum(deleted) == 1_000
    assert max(deleted) <= 2 * 70
    assert 0 < min(each for each in deleted if each) <= 20


def test_a_round_that_is_full_is_moved_a_slice_at_a_time_by_what_confirms(opened, monkeypatch):
    monkeypatch.setattr(mover, "SLICE", 400)
    monkeypatch.setattr(mover, "MOST_RECENT", 1_000)
    store = opened(10**6)
    claims = new_claims(9_000)
    entries = [0]
    for start in range(0, len(claims), 100):
        store.confirm(claims[start : start + 100])
        entries.append(entries_in(store))
        assert len(store._entries) < 1_500
    assert entries[-1] >= 6_000
    assert all(after - before <= 400 for before, after in itertools.pairwise(entries))
    assert set(store.claim(claims)) == {ClaimResult.REDELIVERED}


ENTRIES = st.dictionaries(
    st.binary(min_size=16, max_size=16),
    st.one_of(st.binary(min_size=size, max_size=size) for size in (PLAIN_BYTES, ORDERED_BYTES)),
    max_size=60,
)


@given(ENTRIES, st.integers(1, 70), st.integers(1, 20))
def test_ranges_of_sorted_runs_hold_each_entry_once_in_the_order_of_the_keys(entries, most, run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_runs, "RUN", run)
        runs = sorted_runs.SortedRuns(entries)
        while not runs.sort_some():
            pass
    found, start, is_last = [], b"", False
    while not is_last:
        part, is_last = runs.next_range(start, most)
        assert len(part) <= max(most, len(runs._runs))
        assert part or is_last
        found += part
        start = part[-1][0] + b"\0" if part else start
    assert found == sorted(entries.items())
