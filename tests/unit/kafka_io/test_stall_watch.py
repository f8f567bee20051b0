"""When a partition counts as standing still. The test sets the clock."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Partition
from pipeline.kafka_io.stall_watch import MOST_REBUILD_AGAIN_S, Remedy, StallTimes, StallWatch

TIMES = StallTimes()
A, B = Partition("t", 0), Partition("t", 1)


class Reading:
    """A client as the watch sees it: positions, paused partitions, and the ends that the brokers answer."""

    def __init__(self):
        self.now_s = 1_000.0
        self.watch = StallWatch(self.now_s, TIMES)
        self.positions = {A: 0}
        self.ends = {}
        self.paused = set()
        self.is_full = False
        self.asked = []
        self.stalls = []

    def poll(self, pause_s=1.0):
        """Let time pass and poll. Make a new client if the watch asks for one."""
        self.now_s += pause_s
        if not self.watch.look_due(self.now_s, is_full=self.is_full):
            return
        asked = self.watch.look(self.now_s, self.positions, self.paused)
        if not asked:
            return
        self.asked.append(self.now_s)
        found = self.watch.learn(self.now_s, asked, {each: self.ends[each] for each in asked if each in self.ends})
        self.stalls += [(self.now_s - 1_000, stall) for stall in found]
        if any(stall.remedy is Remedy.REBUILD for stall in found):
            self.watch.rebuilt(self.now_s)

    def poll_for(self, seconds):
        for _ in range(round(seconds)):
            self.poll()

    def remedies(self, partition=A):
        return [(at, stall.remedy) for at, stall in self.stalls if stall.partition == partition]


@pytest.fixture
def reading():
    return Reading()


def test_what_stands_still_is_sought_and_then_a_new_client_is_made(reading):
    reading.ends = {A: 20}
    reading.poll_for(60)
    assert reading.stalls[0][1]._replace(for_s=0) == (A, 0, 20, 0, Remedy.SEEK)
    (sought, _), (rebuilt, _) = reading.remedies()
    assert 15 <= sought <= 20
    assert 35 <= rebuilt - sought <= 40
    assert reading.stalls[0][1].for_s == pytest.approx(sought, abs=1)


def test_what_moves_on_after_it_was_sought_is_left_alone(reading):
    reading.ends = {A: 20}
    reading.poll_for(20)
    reading.positions[A] = 20
    reading.poll_for(600)
    assert [remedy for _, remedy in reading.remedies()] == [Remedy.SEEK]


def test_a_record_that_has_just_come_to_a_quiet_partition_is_no_stall(reading):
    reading.ends = {A: 0}
    for _ in range(100):
        reading.poll_for(19)
        reading.ends[A] += 1
        reading.poll_for(9)
        reading.positions[A] += 1
    assert not reading.stalls


def test_others_that_move_neither_hide_a_stall_nor_are_asked_about(reading):
    reading.positions[B] = 0
    reading.ends = {A: 20}
    for _ in range(60):
        reading.positions[B] += 1
        reading.poll()
    assert [remedy for _, remedy in reading.remedies()] == [Remedy.SEEK, Remedy.REBUILD]
    assert not reading.remedies(B)


def test_nobody_is_asked_while_all_partitions_move(reading):
    for _ in range(600):
        reading.positions[A] += 1
        reading.poll(0.3)
    assert not reading.asked


def test_quiet_partitions_are_asked_about_now_and_then(reading):
    reading.positions = {Partition("t", number): 0 for number in range(50)}
    reading.ends = dict.fromkeys(reading.positions, 0)
    reading.poll_for(100)
    assert all(after - before >= TIMES.ask_after_s for before, after in itertools.pairwise(reading.asked))


def test_full_polls_make_the_clock_slow_but_do_not_stop_it(reading):
    """The records of the partition may wait in the client's queue behind records of other partitions."""
    reading.ends, reading.is_full = {A: 20}, True
    reading.poll_for(140)
    assert not reading.stalls
    reading.poll_for(600)
    assert [remedy for _, remedy in reading.remedies()][:2] == [Remedy.SEEK, Remedy.REBUILD]


def test_the_clock_of_what_is_paused_stops_and_goes_on(reading):
    """All partitions are paused and resumed many times while the destination is slow. The watch still finds a partition that stands still."""
    reading.ends = {A: 20}
    for number in range(600):
        reading.paused = {A} if number % 3 else set()
        reading.poll()
    assert [remedy for _, remedy in reading.remedies()][:2] == [Remedy.SEEK, Remedy.REBUILD]
    assert reading.remedies()[0][0] >= 3 * 15 - 3


def test_a_long_pause_of_the_process_is_no_stall(reading):
    reading.ends = {A: 20}
    for _ in range(4):
        reading.poll(3_600)
    assert not reading.stalls


def test_an_outage_is_no_stall(reading):
    reading.ends = {A: 20}
    for _ in range(100):
        reading.poll_for(10)
        reading.now_s += 3_600
        reading.watch.forget(reading.now_s)
    assert not reading.stalls


@pytest.mark.parametrize("ends", [{}, {A: 0}], ids=["its leader does not answer", "its latest transaction is open"])
def test_what_has_nothing_that_can_be_read_does_not_stall(reading, ends):
    reading.ends = {A: 20}
    reading.poll_for(8)
    reading.ends = ends
    reading.poll_for(3_600)
    assert not reading.stalls


def test_a_partition_that_comes_back_begins_anew(reading):
    reading.ends = {A: 20}
    for _ in range(50):
        reading.positions = {A: 0}
        reading.poll_for(13)
        reading.positions = {}
        reading.poll()
    assert not reading.stalls


def test_new_clients_that_do_not_help_become_rarer(reading):
    reading.ends = {A: 20}
    reading.poll_for(8 * 3_600)
    rebuilt = [at for at, remedy in reading.remedies() if remedy is Remedy.REBUILD]
    waits = [after - before for before, after in itertools.pairwise(rebuilt)]
    wanted = [min(TIMES.rebuild_again_s * 2**number, MOST_REBUILD_AGAIN_S) for number in range(len(waits))]
    assert len(waits) >= 8
    assert all(want <= wait <= want + 60 for want, wait in zip(wanted, waits, strict=True))


def test_a_new_client_that_helped_for_long_makes_the_next_wait_short_again(reading):
    reading.ends = {A: 20}
    reading.poll_for(3_600)
    reading.positions[A] = 20
    reading.poll_for(4 * 3_600)
    reading.ends[A] = 40
    reading.stalls.clear()
    reading.poll_for(450)
    rebuilt = [at for at, remedy in reading.remedies() if remedy is Remedy.REBUILD]
    assert len(rebuilt) == 2


STEPS = st.lists(
    st.tuples(
        st.floats(0.01, 50),  # seconds until the poll
        st.sampled_from([0, 0, 0, 1, 7]),  # records returned
        st.booleans(),  # paused
        st.booleans(),  # full
    ),
    max_size=200,
)


@given(STEPS)
def test_what_has_been_read_to_its_end_is_never_stalled(steps):
    reading = Reading()
    for pause_s, count, is_paused, reading.is_full in steps:
        reading.paused = {A} if is_paused else set()
        reading.positions[A] += count
        reading.ends = {A: reading.positions[A]}
        reading.poll(pause_s)
    assert not reading.stalls


@given(STEPS)
def test_whatever_was_before_a_stall_is_sought_in_half_a_minute_and_a_new_client_follows(steps):
    reading = Reading()
    for pause_s, count, is_paused, reading.is_full in steps:
        reading.paused = {A} if is_paused else set()
        reading.positions[A] += count
        reading.ends = {A: reading.positions[A] + (count == 1)}
        reading.poll(pause_s)
    reading.paused, reading.is_full = set(), False
    reading.positions[A] += 1
    reading.ends = {A: reading.positions[A] + 1}
    reading.stalls.clear()
    reading.poll_for(30)
    assert [remedy for _, remedy in reading.remedies()] == [Remedy.SEEK]
    reading.poll_for(2 * MOST_REBUILD_AGAIN_S + 120)
    assert Remedy.REBUILD in [remedy for _, remedy in reading.remedies()]


@given(STEPS)
def test_new_clients_are_never_made_in_quick_succession(steps):
    reading = Reading()
    reading.ends = {A: 10**9}
    for pause_s, count, is_paused, reading.is_full in steps:
        reading.paused = {A} if is_paused else set()
        reading.positions[A] += count
        reading.poll(pause_s)
    rebuilt = [at for at, remedy in reading.remedies() if remedy is Remedy.REBUILD]
    assert all(after - before >= TIMES.rebuild_again_s for before, after in itertools.pairwise(rebuilt))
