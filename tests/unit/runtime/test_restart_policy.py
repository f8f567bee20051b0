"""When a worker is started again, whatever the order of its deaths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceUnavailable, StoreUnavailable
from pipeline.runtime.restart_policy import RestartPolicy, Restarts, is_everyones

POLICY = RestartPolicy(first_s=1, most_s=30, steady_s=60, most_deaths=5, patience_s=300, store_patience_s=120)
KAFKA, STORE = SourceUnavailable.exit_code, StoreUnavailable.exit_code


def test_the_wait_doubles_up_to_the_longest():
    restarts = Restarts(POLICY)
    assert [restarts.died(0) for _ in range(6)] == [1, 2, 4, 8, 16, None]
    patient = Restarts(RestartPolicy(first_s=10, most_deaths=9))
    assert [patient.died(0, passing=KAFKA) for _ in range(4)] == [10, 20, 30, 30]


def test_a_worker_that_waited_for_brokers_for_long_was_not_healthy():
    restarts = Restarts(POLICY)
    for life in range(5):  # each gives up after five minutes, without a status
        assert restarts.died(life * 300.0, passing=KAFKA) is not None
        assert restarts.is_failing
    assert restarts.died(1_500.0, passing=KAFKA) is None


def test_what_fails_for_ever_ends_although_other_partitions_go_on():
    """Its dead-letter topic is away for good. Before the mend each life counted as healthy: it gives up after five minutes, and these are more than one."""
    restarts, now_s = Restarts(POLICY), 0.0
    for _ in range(5):
        for second in range(302):
            restarts.reported(now_s + second, 1 + second)
        now_s += 302
        assert restarts.died(now_s, passing=KAFKA) is not None
    restarts.reported(now_s, 1)
    assert restarts.died(now_s + 302, passing=KAFKA) is None


def test_the_next_death_is_the_first_one_a_minute_after_the_first_status():
    restarts = Restarts(POLICY)
    restarts.died(0, passing=KAFKA)
    restarts.reported(100, 0)
    restarts.reported(159, 0)
    assert restarts.died(160) == 1


def test_a_worker_is_well_again_when_it_has_finished_something():
    restarts = Restarts(POLICY)
    restarts.reported(0, 500)
    restarts.died(1, passing=KAFKA)
    restarts.reported(2, 0)
    assert restarts.is_failing
    restarts.reported(3, 1)
    assert not restarts.is_failing


def test_a_crash_is_no_error_that_may_pass():
    restarts = Restarts(POLICY)
    restarts.died(0, passing=KAFKA)
    restarts.died(0)
    assert not restarts.is_failing


def test_an_error_is_everyones_while_nobody_has_finished_anything_meanwhile():
    one, other = Restarts(POLICY), Restarts(POLICY)
    for each in (one, other):
        each.reported(10, 100)
    one.died(320, passing=KAFKA)
    assert not is_everyones([one, other], 320, POLICY.waited_s(KAFKA))  # the other has not ended
    other.died(325, passing=KAFKA)
    assert is_everyones([one, other], 325, POLICY.waited_s(KAFKA))


def test_one_worker_that_is_well_again_keeps_the_others_alive():
    """Before the mend it had to have run for a minute."""
    one, other = Restarts(POLICY), Restarts(POLICY)
    other.reported(0, 7)
    one.died(0, passing=KAFKA)
    one.reported(2, 1)
    other.died(30, passing=KAFKA)
    assert not is_everyones([one, other], 30, POLICY.waited_s(KAFKA))


@pytest.mark.parametrize(("code", "waited_s"), [(KAFKA, 300), (STORE, 120)])
def test_a_worker_alone_is_started_again_where_it_has_finished_something_meanwhile(code, waited_s):
    """Its dead-letter topic was away, and other records were reported. Or nothing was: its brokers were away, and it has waited for long enough."""
    working, waiting = Restarts(POLICY), Restarts(POLICY)
    for second in range(waited_s):
        working.reported(second, second)
        waiting.reported(second, 1 if second else 0)
    for each in (working, waiting):
        each.died(waited_s + 1, passing=code)
    assert not is_everyones([working], waited_s + 1, POLICY.waited_s(code))
    assert is_everyones([waiting], waited_s + 1, POLICY.waited_s(code))


@given(
    st.lists(
        st.tuples(st.floats(0, 500), st.booleans(), st.sampled_from([None, KAFKA, STORE])),
    )
)
def test_deaths_in_a_row_are_those_without_a_healthy_time_between(lives):
    restarts, now_s, expected = Restarts(POLICY), 0.0, 0
    for lived_s, has_reported, passing in lives:
        began_s = now_s
        if has_reported:
            restarts.reported(now_s, 0)
        now_s += lived_s
        ill_s = {None: 0, KAFKA: 300, STORE: 120}[passing]
        is_first = has_reported and now_s - ill_s - began_s >= POLICY.steady_s
        expected = 1 if is_first else expected + 1
        delay_s = restarts.died(now_s, passing=passing)
        assert restarts.deaths == expected
        assert (delay_s is None) == (expected > POLICY.most_deaths)
