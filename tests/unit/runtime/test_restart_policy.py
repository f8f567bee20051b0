"""When a worker is started again, whatever the order of its deaths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.restart_policy import RestartPolicy, Restarts

POLICY = RestartPolicy(first_s=1, most_s=30, steady_s=60, most_deaths=5)


def test_the_wait_doubles_up_to_the_longest():
    restarts = Restarts(POLICY)
    assert [restarts.died(0, may_pass=False) for _ in range(6)] == [1, 2, 4, 8, 16, None]
    patient = Restarts(RestartPolicy(first_s=10, most_deaths=9))
    assert [patient.died(0, may_pass=True) for _ in range(4)] == [10, 20, 30, 30]


def test_a_worker_that_waited_for_brokers_for_long_was_not_healthy():
    restarts = Restarts(POLICY)
    for life in range(5):  # each gives up after five minutes, without a status
        assert restarts.died(life * 300.0, may_pass=True) is not None
        assert restarts.is_failing(life * 300.0 + 299)
    assert restarts.died(1_500.0, may_pass=True) is None


def test_a_worker_is_healthy_a_while_after_its_first_status():
    restarts = Restarts(POLICY)
    restarts.died(0, may_pass=True)
    restarts.reported(100)
    restarts.reported(159)
    assert restarts.is_failing(159.9)
    assert not restarts.is_failing(160)
    assert restarts.died(160, may_pass=False) == 1


def test_a_crash_is_no_error_that_may_pass():
    restarts = Restarts(POLICY)
    restarts.died(0, may_pass=True)
    restarts.died(0, may_pass=False)
    assert not restarts.is_failing(0)


@given(st.lists(st.tuples(st.floats(0, 200), st.booleans(), st.booleans())))
def test_deaths_in_a_row_are_those_without_a_healthy_time_between(lives):
    restarts, now_s, expected = Restarts(POLICY), 0.0, 0
    for lived_s, has_reported, may_pass in lives:
        if has_reported:
            restarts.reported(now_s)
        now_s += lived_s
        began_s = now_s - lived_s
        expected = 1 if has_reported and now_s - began_s >= POLICY.steady_s else expected + 1
        delay_s = restarts.died(now_s, may_pass=may_pass)
        assert restarts.deaths == expected
        assert (delay_s is None) == (expected > POLICY.most_deaths)
