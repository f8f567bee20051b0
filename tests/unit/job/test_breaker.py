"""The circuit breaker, with a clock and random numbers that the test gives."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.contracts.retry import MOST_HINT_MS, Backoff
from pipeline.job.flow.breaker import MOST_PROBES, Breaker

LONGEST_MS = 30_000


@pytest.fixture
def breaker():
    return Breaker(Backoff(200, LONGEST_MS, lambda: 0.0))


def test_while_the_destination_is_up_everything_is_sent(breaker):
    for call in range(1, 4):
        assert breaker.may_send(0)
        breaker.sent(call, 0)
    assert breaker.next_ms() is None


def test_after_an_outage_it_rests_and_then_lets_one_probe_through(breaker):
    breaker.sent(1, 0)
    breaker.failed(1, 1_000, None, is_outage=True)
    assert breaker.next_ms() == 1_100
    assert not breaker.may_send(1_099)
    assert breaker.may_send(1_100)
    breaker.sent(2, 1_100)
    assert not breaker.may_send(5_000)


def test_a_probe_that_hangs_does_not_keep_the_next_one_from_being_sent_after_the_longest_back_off(breaker):
    breaker.failed(1, 0, None, is_outage=True)
    for probe in range(MOST_PROBES):
        at_ms = 100 + probe * LONGEST_MS
        assert not breaker.may_send(at_ms - 1)
        assert breaker.may_send(at_ms)
        breaker.sent(2 + probe, at_ms)
    assert not breaker.may_send(10**9)
    breaker.failed(2, 10**9, None, is_outage=True)
    assert breaker.may_send(10**9)
    breaker.failed(1 + MOST_PROBES, 10**9, 5_000, is_outage=True)
    assert breaker.next_ms() == 10**9 + 5_000


def test_a_probe_that_fails_while_another_one_hangs_does_not_let_the_next_one_through_at_once(breaker):
    """Before the mend one probe followed the other without a rest, until the one that hung had ended."""
    breaker.failed(1, 0, None, is_outage=True)
    breaker.sent(2, 100)
    breaker.sent(3, 100 + LONGEST_MS)
    breaker.failed(3, 200 + LONGEST_MS, None, is_outage=True)
    assert not breaker.may_send(99 + 2 * LONGEST_MS)
    assert breaker.may_send(100 + 2 * LONGEST_MS)


def test_a_failure_of_a_call_from_before_the_outage_does_not_delay_the_next_probe(breaker):
    breaker.failed(1, 0, None, is_outage=True)
    breaker.sent(12, 100)
    for call in range(2, 12):
        breaker.failed(call, call * 1_000, None, is_outage=True)
    assert breaker.may_send(100 + LONGEST_MS)
    breaker.failed(13, 100 + LONGEST_MS, 5_000, is_outage=True)  # but a hint counts
    assert breaker.next_ms() == 5_100 + LONGEST_MS


def test_while_content_is_refused_the_next_probe_waits_for_the_answer(breaker):
    breaker.failed(1, 0, None, is_outage=False)
    assert breaker.may_send(100)
    breaker.sent(2, 100)
    assert not breaker.may_send(10**9)
    breaker.failed(2, 150, None, is_outage=False)
    assert breaker.next_ms() == 350


def test_a_probe_that_fails_makes_it_rest_longer(breaker):
    breaker.failed(1, 0, None, is_outage=True)
    breaker.sent(2, 150)
    breaker.failed(2, 160, None, is_outage=True)
    assert breaker.next_ms() == 360
    assert not breaker.may_send(359)
    assert breaker.may_send(360)


def test_a_batch_that_was_not_sent_after_all_is_no_probe(breaker):
    breaker.failed(1, 0, None, is_outage=True)
    breaker.sent(2, 150)
    breaker.unsent(2)
    assert breaker.may_send(150)


def test_a_success_closes_it_and_forgets_the_failures(breaker):
    breaker.failed(1, 0, None, is_outage=True)
    breaker.sent(2, 100)
    breaker.failed(2, 100, None, is_outage=True)
    breaker.succeeded()
    assert breaker.may_send(101)
    assert breaker.next_ms() is None
    breaker.failed(3, 200, None, is_outage=True)
    assert breaker.next_ms() == 300


def test_outages_of_batches_sent_before_do_not_lengthen_the_rest_but_their_hints_do(breaker):
    for call in range(8):
        breaker.failed(call, 0, None, is_outage=True)
    assert breaker.next_ms() == 100
    breaker.failed(8, 50, 5_000, is_outage=True)
    assert breaker.next_ms() == 5_050
    breaker.failed(9, 60, 10**9, is_outage=True)
    assert breaker.next_ms() == 60 + MOST_HINT_MS


class BreakerModel(RuleBasedStateMachine):
    """An owner that sends only when the breaker lets it, and reports every outcome to the breaker, in any order and as late as it likes."""

    def __init__(self):
        super().__init__()
        self.breaker = Breaker(Backoff(200, 3_000, lambda: 0.5))
        self.now = 0
        self.newest = 0
        self.out = []
        self.probes = []  # without an answer
        self.probed_ms = None
        self.probed = set()

    @rule(ms=st.integers(0, 4_000))
    def time_passes(self, ms):
        self.now += ms

    @precondition(lambda self: self.breaker.may_send(self.now))
    @rule()
    def send(self):
        self.newest += 1
        if (next_ms := self.breaker.next_ms()) is not None:
            assert self.now >= next_ms
            if self.probes:
                assert self.now >= self.probed_ms + 3_000
            self.probes.append(self.newest)
            self.probed.add(self.newest)
            self.probed_ms = self.now
        self.breaker.sent(self.newest, self.now)
        self.out.append(self.newest)

    @precondition(lambda self: self.out)
    @rule(hint=st.none() | st.integers(0, 2_000_000), given_data=st.data())
    def fail(self, hint, given_data):
        call = self._answered(given_data)
        before_ms, is_probe = self.breaker.next_ms(), call in self.probed
        self.breaker.failed(call, self.now, hint, is_outage=True)
        assert self.breaker.next_ms() is not None
        if before_ms is not None and self.probes and not is_probe:
            assert self.breaker.next_ms() == max(before_ms, self.now + min(hint or 0, MOST_HINT_MS))
        if hint:
            assert self.breaker.next_ms() >= self.now + min(hint, MOST_HINT_MS)

    @precondition(lambda self: self.out)
    @rule(given_data=st.data())
    def succeed(self, given_data):
        self._answered(given_data)
        self.probes = []
        self.breaker.succeeded()
        assert self.breaker.may_send(self.now)

    @invariant()
    def at_most_so_many_probes_are_without_an_answer(self):
        assert len(self.probes) <= MOST_PROBES

    @invariant()
    def it_never_rests_for_ever(self):
        if not self.out:
            assert self.breaker.may_send(self.now + max(3_000, MOST_HINT_MS))

    def _answered(self, given_data):
        call = given_data.draw(st.sampled_from(self.out))
        self.out.remove(call)
        self.probes = [each for each in self.probes if each != call]
        return call


TestBreakerModel = BreakerModel.TestCase
