"""An outage of the brokers is over its limit when it was seen to last so long, and not because the process stood still."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.kafka_io.outage import CALM_S, SELDOM_S, Outage

LIMIT_S = 40.0


def given_up_s(failures, limit_s=LIMIT_S):
    """Return the time of the failure at which it is given up, or None."""
    outage = Outage(limit_s, 0.0)
    for now_s in failures:
        outage.failed(now_s)
        if outage.is_over_limit(now_s):
            return now_s
    return None


def test_brokers_that_stay_away_are_given_up_at_the_limit():
    assert given_up_s([1.0 + place for place in range(60)]) == 42.0


def test_a_process_that_wakes_up_in_an_outage_asks_again_before_it_gives_up():
    """It stood still from 30 s to 42 s; the brokers were back at 31 s. Its first failure tells of a connection that broke meanwhile."""
    outage = Outage(LIMIT_S, 0.0)
    for now_s in range(1, 31):
        outage.failed(float(now_s))
    outage.failed(42.5)
    assert not outage.is_over_limit(42.5)
    outage.answered(43.0)
    assert outage.answered(42.5 + CALM_S)
    assert not outage.is_on


def test_a_process_that_wakes_up_in_an_outage_that_lasts_gives_up_soon():
    assert given_up_s([*range(1, 31), *(50.0 + place for place in range(20))]) == 56.0


@given(st.lists(st.floats(0.01, 30), min_size=1, max_size=200), st.floats(1, 300))
def test_whatever_the_gaps_it_is_given_up_a_moment_after_the_limit_and_never_before(gaps, limit_s):
    times, now_s = [], 100.0
    for gap in gaps:
        now_s += gap
        times.append(now_s)
    over = [each for each in times if each - times[0] > limit_s]
    found = given_up_s(times, limit_s)
    late = next((each for each in over if each - over[0] > CALM_S), None)
    if not over or (found is None and late is None):
        assert found is None
        return
    assert found is not None
    assert over[0] <= found
    assert late is None or found <= late
    if all(gap <= SELDOM_S for gap in gaps):
        assert found == over[0]
