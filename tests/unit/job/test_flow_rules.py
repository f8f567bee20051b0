"""The rule book of flow, rule by rule, with a clock that the test gives. What they come to together is in tests/flow."""

from __future__ import annotations

import logging
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.retry import MOST_HINT_MS, Backoff
from pipeline.contracts.values import Retry
from pipeline.errors import StoreUnavailable
from pipeline.job.flow.bounds import FlowBounds
from pipeline.job.flow.call_rate import CallRate
from pipeline.job.flow.concurrency import Concurrency
from pipeline.job.flow.control import FlowControl
from pipeline.job.flow.shared_limit import SharedLimit
from pipeline.job.flow.state import Slowed
from transforms.base import Kind

THROTTLED = Retry("Throttling.User", "too many", outage=False, throttled=True)
AWAY = Retry("ServiceUnavailable", "away")
LOST = Retry("ReadTimeout", "no answer", in_doubt=True)


# --- calls a second ------------------------------------------------------------------------------------------------------------------


def throttled_rate(calls, every_ms=10):
    """Return a rate that was throttled after so many accepted calls, and the time."""
    rate = CallRate(5_000)
    for call in range(1, calls + 1):
        rate.sent(call, call * every_ms)
        rate.accepted(call, call * every_ms)
    now_ms = calls * every_ms + 1
    rate.sent(calls + 1, now_ms)
    rate.throttled(calls + 1, "Throttling", None, now_ms)
    return rate, now_ms


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("demand", [1.5, 2, 3, 5, 8, 20])
def test_few_calls_a_second_are_sent_as_fast_as_they_come_half_a_minute_after_a_throttling(demand, seed):
    """Seven seconds in which 70 % of the calls are throttled by chance. At this rate growing would take minutes."""
    rate, chance, due_ms = CallRate(5_000), Random(seed), 0.0
    for now_ms in range(0, 60_000, 5):
        if now_ms >= due_ms and rate.allows(now_ms):
            rate.sent(now_ms + 1, now_ms)
            due_ms = max(due_ms, now_ms - 1_000) + 1_000 / demand
            if 20_000 <= now_ms < 27_000 and chance.random() < 0.7:
                rate.throttled(now_ms + 1, "Throttling", 500, now_ms)
            else:
                rate.accepted(now_ms + 1, now_ms)
    found = rate.per_second(60_000)
    assert found is None or found >= demand


@pytest.mark.parametrize("limit", [20, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 2, 5, 100))])
def test_a_lasting_limit_of_few_calls_a_second_is_used_with_few_calls_throttled(limit):
    rate, tokens, accepted, throttled = CallRate(5_000), 1.0, 0, 0
    for call in range(1, 360_000):
        now_ms = call // 3 * 5
        tokens = min(max(1, limit * 0.1), tokens + limit * 0.005 / 3)
        if rate.allows(now_ms):
            rate.sent(call, now_ms)
            if tokens >= 1:
                tokens -= 1
                accepted += 1
                rate.accepted(call, now_ms)
            else:
                throttled += 1
                rate.throttled(call, "Throttling", None, now_ms)
    assert accepted >= 0.9 * limit * 600
    assert throttled <= 0.02 * (accepted + throttled)


def test_nothing_is_limited_until_a_call_is_throttled():
    rate = CallRate(5_000)
    for call in range(1_000):
        assert rate.allows(0)
        rate.sent(call, 0)
    assert rate.per_second(0) is None


def test_a_throttled_call_lowers_the_rate_to_nine_tenths_of_what_was_taken():
    rate, now_ms = throttled_rate(300)
    assert rate.per_second(now_ms) == pytest.approx(90, abs=1)
    assert not rate.allows(now_ms)
    assert rate.allows(now_ms + 12)


def test_calls_that_were_under_way_lower_it_only_once():
    rate, now_ms = throttled_rate(300)
    lowered = rate.per_second(now_ms)
    for call in range(200, 302):
        rate.throttled(call, "Throttling", None, now_ms + 5)
    assert rate.per_second(now_ms + 5) == lowered


def test_while_all_calls_are_throttled_the_rate_falls_to_one_call_in_the_longest_wait():
    rate, now_ms = throttled_rate(300)
    sent = 0
    for at_ms in range(now_ms, now_ms + 100_000, 10):
        if rate.allows(at_ms):
            sent += 1
            rate.sent(1_000 + sent, at_ms)
            rate.throttled(1_000 + sent, "Throttling", None, at_ms + 5)
    assert rate.per_second(now_ms + 100_000) == pytest.approx(0.2)
    assert sent <= 30


@given(st.integers(1, 10**9), st.integers(0, 10**6))
def test_a_pause_is_kept_and_is_ten_minutes_at_most(after_ms, wait_ms):
    rate, now_ms = throttled_rate(10)
    rate.throttled(1, "Throttling", after_ms, now_ms)  # an answer to a call before says so, too
    pause_ms = min(after_ms, MOST_HINT_MS)
    assert not rate.allows(now_ms + min(wait_ms, pause_ms - 1))
    assert rate.allows(now_ms + MOST_HINT_MS + 10_000)


@given(st.lists(st.tuples(st.integers(1, 3_000), st.booleans(), st.none() | st.integers(0, 5_000)), max_size=200))
def test_the_rate_is_never_below_its_floor_and_a_call_is_always_allowed_in_the_end(answers):
    rate, now_ms = CallRate(5_000), 0
    for call, (later_ms, is_accepted, hint) in enumerate(answers, 1):
        now_ms += later_ms
        rate.sent(call, now_ms)
        if is_accepted:
            rate.accepted(call, now_ms)
        else:
            rate.throttled(call, "Throttling", hint, now_ms)
        assert (per_second := rate.per_second(now_ms)) is None or per_second >= 0.2
    assert any(rate.allows(now_ms + later_ms) for later_ms in range(0, 12_000, 10))


# --- calls at the same time ------------------------------------------------------------------------------------------------------------


class Calls:
    """One operation that keeps as many calls under way as it may."""

    def __init__(self, **bounds):
        self.rule = Concurrency(bounds.get("least", 1), bounds.get("most", 16))
        self.call = self.now_ms = 0

    def round(self, took_ms, messages=100):
        """Let as many calls as the limit allows begin, and be answered."""
        sending = range(1, self.rule.limit + 1)
        calls = []
        for place in sending:
            self.call += 1
            self.rule.sent(self.call, place)
            calls.append(self.call)
        self.now_ms += took_ms
        for call in calls:
            self.rule.accepted(call, messages, took_ms, self.now_ms)
        return self.rule.limit


def test_the_limit_grows_to_all_senders_in_a_few_rounds():
    calls = Calls()
    limits = [calls.round(50) for _ in range(5)]
    assert limits[-1] == 16
    assert limits == sorted(limits)


def test_slow_rounds_lower_the_limit_and_usual_ones_raise_it_again():
    calls = Calls()
    for _ in range(10):
        calls.round(50)
    assert [calls.round(400) for _ in range(3)] == [12, 9, 6]
    for _ in range(40):
        calls.round(50)
    assert calls.rule.limit == 16


@given(st.lists(st.integers(1, 20_000), max_size=80), st.integers(1, 8), st.integers(8, 64))
def test_the_limit_stays_between_its_bounds(rounds, least, most):
    calls = Calls(least=least, most=most)
    for took_ms in rounds:
        assert least <= calls.round(took_ms) <= most


def test_least_senders_as_many_as_senders_change_nothing():
    calls = Calls(least=16)
    assert {calls.round(took_ms) for took_ms in (50, 50, 5_000, 9_000, 50)} == {16}


def test_latencies_below_100_ms_more_than_usual_are_never_slow():
    calls = Calls()
    for took_ms in (1, 1, 1, 1, 1, 1, *(100,) * 20):
        calls.round(took_ms)
    assert calls.rule.limit == 16


# --- both, and outages ------------------------------------------------------------------------------------------------------------------


def control(**bounds):
    return FlowControl(Kind.EVENT, Backoff(200, 5_000, lambda: 0.5), FlowBounds(**bounds))


def test_a_throttled_call_begins_no_outage_and_ends_one():
    flow = control()
    flow.sent(1, 10, 0)
    flow.answered(1)
    flow.throttled(1, THROTTLED, 0)
    assert not flow.is_resting
    flow.failed(1, AWAY, 10)
    assert flow.is_resting
    flow.throttled(2, THROTTLED, 500)
    assert not flow.is_resting


def test_after_an_outage_few_calls_are_under_way_at_first_and_half_as_many_after_lost_answers():
    for failure, goal in ((AWAY, 16), (LOST, 8)):
        flow = control()
        for call in range(1, 200):
            flow.sent(call, 10, call)
            if call > 15:
                flow.answered(call - 15)
            flow.accepted(call, 10, 50, call)
        assert flow.state(200).limit == 16
        flow.failed(199, failure, 200)
        assert flow.state(200).why is Slowed.AWAY
        for call in range(185, 200):
            flow.answered(call)
        assert flow.may_send(400)
        flow.sent(200, 10, 400)
        flow.accepted(200, 10, 50, 400)
        assert flow.state(400).limit <= 2
        for call in range(201, 220):
            flow.sent(call, 10, call)
            flow.accepted(call, 10, None, 400 + call)
            while flow.sending >= flow.state(call).limit:
                flow.answered(call - flow.sending + 1)
        state = flow.state(1_000)
        assert state.limit == goal
        for call in range(220, 220 + goal):
            flow.sent(call, 10, 999)
        flow.look(1_000, is_waiting=True)
        assert flow.state(1_000).why is (Slowed.LOSS if failure is LOST else None)


def test_an_operation_alone_may_use_all_senders_and_otherwise_leaves_a_quarter():
    assert [FlowBounds(most=most).share(is_shared=False) for most in (1, 2, 16)] == [1, 2, 16]
    assert [FlowBounds(most=most).share(is_shared=True) for most in (1, 2, 3, 4, 16)] == [1, 1, 2, 3, 12]


def test_the_time_in_which_batches_wait_is_counted_by_reason():
    flow = control()
    flow.failed(1, AWAY, 1_000)
    flow.look(1_000, is_waiting=True)
    flow.look(4_000, is_waiting=True)
    flow.answers()
    flow.look(4_000, is_waiting=False)
    flow.look(9_000, is_waiting=True)
    assert flow.state(9_000).held_ms == {Slowed.AWAY: 3_000}


# --- limits of the source file ------------------------------------------------------------------------------------------------------------


class Table:
    def __init__(self, wait_ms=0.0, error=None, takes_ms=0):
        self.now_ms, self.spent = 0, []
        self.wait_ms, self.error, self.takes_ms = wait_ms, error, takes_ms

    def spend(self, bucket, units, per_second):
        self.spent.append(units)
        self.now_ms += self.takes_ms
        if self.error:
            raise self.error
        return self.wait_ms

    def limit(self, per_second):
        return SharedLimit("report.flow.calls", per_second, self, b"x", lambda: self.now_ms)


def test_what_is_sent_is_paid_in_slices():
    table = Table(wait_ms=30)
    limit = table.limit(500)
    for _ in range(10):  # a slice
        assert limit.allows(0)
        limit.sent(1)
    assert not table.spent
    assert not limit.allows(0)
    assert table.spent == [10]
    assert limit.is_waiting(29)
    assert limit.allows(30)


def test_without_the_store_a_process_keeps_the_limit_alone_and_says_so_once(caplog):
    table = Table(error=StoreUnavailable("the dedup store does not answer"))
    limit, sent = table.limit(10), 0
    with caplog.at_level(logging.WARNING):
        for now_ms in range(0, 9_000, 10):
            if limit.allows(now_ms):
                limit.sent(1)
                sent += 1
    assert sent == pytest.approx(90, abs=2)
    assert table.spent == [1]
    assert [record.message for record in caplog.records] == [
        "report.flow.calls is kept by this process alone for 10 s: the dedup store does not answer"
    ]


def test_a_slow_store_is_asked_less_often():
    table = Table(takes_ms=200)
    limit = table.limit(1_000)
    for now_ms in range(0, 4_000, 10):
        if limit.allows(now_ms):
            limit.sent(20)
    assert len(table.spent) == 1
