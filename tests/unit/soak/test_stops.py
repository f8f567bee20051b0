"""The plan of stops is a function of its seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.soak.stops import DOWN_S, LATENCIES_MS, UP_S, plan_stops
from tests.support.examples import examples


@examples(times=1)
@given(st.integers(), st.integers(1, 3), st.integers(0, 60))
def test_a_plan_is_the_same_for_the_same_seed_and_shares_the_stops(seed, hosts, count):
    plans = plan_stops(seed, hosts, count)
    assert plans == plan_stops(seed, hosts, count)
    assert sum(map(len, plans)) == count
    assert max(map(len, plans)) - min(map(len, plans)) <= 1
    for each in [stop for plan in plans for stop in plan]:
        assert UP_S[0] <= each.up_s <= UP_S[1]
        assert DOWN_S[0] <= each.down_s <= DOWN_S[1]
        assert each.latency_ms in LATENCIES_MS
