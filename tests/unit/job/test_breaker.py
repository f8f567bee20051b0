"""The circuit breaker, with a clock and random numbers that the test gives."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.contracts.retry import MOST_HINT_MS, Backoff
from pipeline.job.flow.breaker import Breaker


@pytest.fixture
def breaker():
    return Breaker(Backoff(200, 30_000, lambda: 0.0))


def test_while_the_destination_is_up_everything_is_sent(breaker):
    for _ in range(3):
        assert breaker.may_send(0)
        breaker.sent()
    assert breaker.next_ms() is None


def test_after_an_outage_it_rests_and_then_lets_one_probe_through(breaker):
    breaker.sent()
    breaker.failed(1_000, None)
    assert breaker.next_ms() == 1_100
    assert not breaker.may_send(1_099)
    assert breaker.may_send(1_100)
    breaker.sent()
    assert not breaker.may_send(5_000)


def test_a_probe_that_fails_makes_it_rest_longer(breaker):
    breaker.failed(0, None)
    breaker.sent()
    breaker.failed(150, None)
    assert breaker.next_ms() == 350
    assert not breaker.may_send(349)
    assert breaker.may_send(350)


def test_a_success_closes_it_and_forgets_the_failures(breaker):
    breaker.failed(0, None)
    breaker.sent()
    breaker.failed(100, None)
    breaker.succeeded()
    assert breaker.may_send(101)
    assert breaker.next_ms() is None
    breaker.failed(200, None)
    assert breaker.next_ms() == 300


def test_outages_of_batches_sent_before_do_not_lengthen_the_rest_but_their_hints_do(breaker):
    for _ in range(8):
        breaker.failed(0, None)
    assert breaker.next_ms() == 100
    breaker.failed(50, 5_000)
    assert breaker.next_ms() == 5_050
    breaker.failed(60, 10**9)
    assert breaker.next_ms() == 60 + MOST_HINT_MS


class BreakerModel(RuleBasedStateMachine):
    """An owner that sends only when the breaker lets it, and reports every outcome to the breaker."""

    def __init__(self):
        super().__init__()
        self.breaker = Breaker(Backoff(200, 3_000, lambda: 0.5))
        self.now = 0
        self.out = 0
        self.sent_while_open = 0

    @rule(ms=st.integers(0, 4_000))
    def time_passes(self, ms):
        self.now += ms

    @precondition(lambda self: self.breaker.may_send(self.now))
    @rule()
    def send(self):
        if self.breaker.next_ms() is not None:
            assert self.now >= self.breaker.next_ms()
            self.sent_while_open += 1
        self.breaker.sent()
        self.out += 1

    @precondition(lambda self: self.out)
    @rule(hint=st.none() | st.integers(0, 2_000_000))
    def fail(self, hint):
        self.out -= 1
        self.sent_while_open = 0
        self.breaker.failed(self.now, hint)
        assert not self.breaker.may_send(self.now) or self.breaker.next_ms() == self.now
        if hint:
            assert self.breaker.next_ms() >= self.now + min(hint, MOST_HINT_MS)

    @precondition(lambda self: self.out)
    @rule()
    def succeed(self):
        self.out -= 1
        self.sent_while_open = 0
        self.breaker.succeeded()
        assert self.breaker.may_send(self.now)

    @invariant()
    def at_most_one_probe_at_a_time(self):
        assert self.sent_while_open <= 1

    @invariant()
    def it_never_rests_for_ever(self):
        if not self.out:
            assert self.breaker.may_send(self.now + max(3_000, MOST_HINT_MS))


TestBreakerModel = BreakerModel.TestCase
