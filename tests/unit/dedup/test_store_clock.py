"""The clock of an embedded store: one time for all processes of a boot, and from boot to boot a bounded step, whatever the wall clock says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import ClaimResult
from pipeline.dedup.clocks import machine_clocks, namespace_offset_ns
from pipeline.dedup.lmdb_store.store_clock import StoreClock, begin_clock, resume_clock
from tests.support.dedup_stores import KEEP, NOW, Machine, claim, open_lmdb, sweep_for, told

GRANTED, HELD, DUPLICATE, REDELIVERED = ClaimResult
HOUR, YEAR = 3_600_000, 365 * 86_400_000


@pytest.fixture
def opened(machine, tmp_path):
    """Open the store on the machine. A store that is open is closed first, and in the end."""
    stores = []

    def open_(keep_ms=KEEP):
        while stores:
            stores.pop().close()
        stores.append(open_lmdb(tmp_path, machine=machine, keep_ms=keep_ms))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def start_machine_again(machine, tmp_path, wall_ms):
    """Start the machine again: the tables of the boot belong to a former boot then."""
    (boot,) = tmp_path.glob("boot-*")
    boot.rename(tmp_path / "boot-before")
    machine.start_again(wall_ms)


# --- within a boot -----------------------------------------------------------------------------------------------------------


def test_a_newer_version_that_is_confirmed_while_the_clock_is_back_stays_the_newest(opened, machine):
    """The clock was an hour back. When it was right again, the newer version had expired, and the older one in the durable table came to light."""
    older, newer = claim(1, 1, 5, told(5)), claim(1, 2, 6, told(6))
    store = opened(HOUR // 2)
    store.confirm([older])
    sweep_for(store, machine, 30)
    machine.wall_ms -= HOUR
    store.confirm([newer])
    machine.wall_ms += HOUR
    sweep_for(store, machine, 30)
    assert store.claim([older, newer]) == [REDELIVERED, REDELIVERED]
    assert store.claim([claim(1, 1, 7, told(7))]) == [GRANTED]


def test_an_older_version_does_not_come_to_light_when_the_newer_one_expires_first(opened, machine):
    """`dedup.keep` was made shorter between the two confirmations."""
    older, newer = claim(1, 1, 5, told(5)), claim(1, 2, 6, told(6))
    store = opened(HOUR)
    store.confirm([older])
    sweep_for(store, machine, 30)
    store = opened(20_000)
    store.confirm([newer])
    machine.wait(20_000)
    sweep_for(store, machine, 30)
    store.confirm([claim(2)])  # so that another round begins
    sweep_for(store, machine, 30)
    assert store.claim([claim(1, 1, 9, told(9))]) == [GRANTED]  # Quick Audience has the newer one


# --- from boot to boot -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong_ms", [-30 * YEAR, -HOUR, 30 * YEAR])
def test_a_machine_that_starts_with_a_wrong_wall_clock_forgets_no_young_key(opened, machine, tmp_path, wrong_ms):
    store = opened()
    store.confirm([claim(1)])
    machine.wait(KEEP // 2)
    store.confirm([claim(2)])
    sweep_for(store, machine, 30)
    store.close()
    for _ in range(3):  # the clock stays wrong, and the machine starts again and again
        start_machine_again(machine, tmp_path, NOW + wrong_ms)
        assert opened().claim([claim(1), claim(2)]) == [REDELIVERED, REDELIVERED]


def test_the_time_in_which_a_machine_is_off_counts(opened, machine, tmp_path):
    store = opened()
    store.confirm([claim(1)])
    machine.wait(KEEP - 2 * HOUR // 60)
    store.sweep()
    store.close()
    start_machine_again(machine, tmp_path, machine.wall_ms + 2 * HOUR // 60)
    assert opened().claim([claim(1)]) == [GRANTED]


def test_the_time_goes_on_where_nothing_is_confirmed(opened, machine, tmp_path):
    """What had expired stays so, although nothing was moved to the durable table for long."""
    store = opened()
    store.confirm([claim(1)])
    for _ in range(110):
        machine.wait(KEEP // 100)
        store.sweep()
    store.close()
    start_machine_again(machine, tmp_path, 0)
    assert opened().claim([claim(1)]) == [GRANTED]


def test_a_system_that_names_no_boots_begins_a_new_clock_when_the_machine_was_started_again(opened, machine):
    store = opened()
    machine.wait(KEEP // 2)
    store.confirm([claim(1)])
    sweep_for(store, machine, 30)
    now_ms = store._clock.now_ms()
    machine.start_again(machine.wall_ms)  # the folder of the tables is the same
    store = opened()
    assert now_ms <= store._clock.now_ms() <= now_ms + 1_000
    assert store.claim([claim(1)]) == [REDELIVERED]


SPANS = st.integers(0, KEEP)
WALLS = st.integers(-(2**40), 2**42)


@given(st.lists(st.tuples(WALLS, SPANS, st.lists(st.tuples(SPANS, WALLS), max_size=4)), min_size=1, max_size=5))
def test_the_time_never_goes_back_and_never_jumps_by_more_than_a_quarter_of_the_time_to_live(boots):
    machine, noted, before_ms = Machine(), None, None
    for wall_ms, boot_ms, steps in boots:
        machine.wall_ms, machine.boot_ms = wall_ms, boot_ms
        clock = begin_clock(machine.clocks, noted, KEEP)
        if before_ms is not None:
            assert 0 <= clock.now_ms() - before_ms <= KEEP // 4
        for span_ms, set_to_ms in steps:
            before_ms = clock.now_ms()
            machine.boot_ms += span_ms
            machine.wall_ms = set_to_ms
            other = resume_clock(machine.clocks, noted, clock.anchor_ms)
            assert other is not None
            assert other.now_ms() == clock.now_ms() == before_ms + span_ms
        noted, before_ms = clock.note(), clock.now_ms()
        assert noted.read(noted.write()) == noted


# --- the clocks of the machine -----------------------------------------------------------------------------------------------


def test_the_clock_since_the_start_leaves_out_the_offset_of_a_time_namespace():
    assert (
        namespace_offset_ns("monotonic           0         0\nboottime      172800         5\n") == 172_800_000_000_005
    )
    assert namespace_offset_ns("boottime          -7         0\n") == -7_000_000_000
    assert namespace_offset_ns("") == 0


def test_the_clocks_of_the_machine_go_on():
    clocks = machine_clocks()
    first = StoreClock(clocks, 0).now_ms()
    assert 0 < first <= StoreClock(clocks, 0).now_ms()
    assert clocks.wall() > NOW
