"""Calls that hang, and one batch that fails alone: neither holds up the others for longer than the page says (docs/flow.md)."""

from __future__ import annotations

import heapq
from itertools import count

import pytest

from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Delivered, Retry
from pipeline.job.batch import Batcher
from pipeline.job.dispatch import Dispatch
from pipeline.report.verdict import judge
from tests.unit.job.test_dispatch import messages
from transforms.base import Kind

TICK_MS = 10
HUNG = Retry("ReadTimeout", "no answer", in_doubt=True)


class SlowApi:
    """Answers by a rule: what a call gets, by its time and the number of its only message, and after how many ms."""

    def __init__(self, rule):
        self.rule, self.now_ms, self.idle = rule, 0, 16
        self.calls = []  # the time of each
        self._order = count()
        self._out = []
        self.dispatch = Dispatch([Batcher(Kind.EVENT, 1, 1 << 20, 0)], self, Backoff(200, 5_000, lambda: 0.5))
        self.delivered = {}  # the time of each message's delivery

    def submit(self, batch, _kind, bodies, _deadline_ms):
        self.idle -= 1
        self.calls.append(self.now_ms)
        outcome, after_ms = self.rule(self.now_ms, int(bodies[0]))
        heapq.heappush(self._out, (self.now_ms + after_ms, next(self._order), batch, outcome))

    def collect(self):
        done = []
        while self._out and self._out[0][0] <= self.now_ms:
            *_, batch, outcome = heapq.heappop(self._out)
            self.idle += 1
            done.append((batch, outcome))
        return done

    def run(self, until_ms, every_ms, withdraw_at_ms=None):
        """Add a message now and then, and go on until a time."""
        waiting = messages(until_ms // every_ms + 1)
        for self.now_ms in range(0, until_ms, TICK_MS):
            if self.now_ms % every_ms == 0:
                self.dispatch.add([waiting.pop(0)], self.now_ms)
            answers = self.dispatch.collect(self.now_ms)
            self.delivered |= {int(each.body): self.now_ms for each in answers.delivered}
            if self.now_ms == withdraw_at_ms:
                self.dispatch.add(self.dispatch.withdraw(), self.now_ms)
            self.dispatch.send(self.now_ms, 10**9)
        return self


def test_calls_that_hung_in_an_outage_do_not_hold_up_those_after_it():
    """`report.read_timeout` is a minute here. Before the mend nothing was sent until the hung calls had ended."""

    def hang_for_a_while(now_ms, _):
        return (HUNG, 60_000) if 10_000 <= now_ms < 80_000 else (Delivered(took_ms=50), 50)

    api = SlowApi(hang_for_a_while).run(until_ms=96_000, every_ms=50)
    assert len(api.delivered) > 1_700  # of 1,920


def test_time_limits_of_calls_before_an_outage_do_not_begin_another_one():
    def hang_for_a_while(now_ms, _):
        return (HUNG, 10_000) if 8_000 <= now_ms < 17_000 else (Delivered(took_ms=400), 400)

    api = SlowApi(hang_for_a_while).run(until_ms=40_000, every_ms=600)
    back_ms = next(at_ms for at_ms in api.delivered.values() if at_ms > 17_000)
    late = [number for number, at_ms in api.delivered.items() if at_ms > back_ms + 10_000 + number * 600]
    assert api.dispatch.ready == 0
    assert not late


@pytest.mark.parametrize("end_ms", range(11_000, 25_000, 1_000))
def test_the_end_of_an_outage_is_noticed_within_the_longest_back_off_whatever_hangs(end_ms):
    """Each call that hung from before the outage ended with its time limit, one a second, and made the rest longer."""

    def hang_for_a_while(now_ms, _):
        return (HUNG, 10_000) if now_ms < end_ms else (Delivered(took_ms=50), 50)

    api = SlowApi(hang_for_a_while).run(until_ms=end_ms + 6_000, every_ms=1_000)
    assert min(at_ms for at_ms in api.calls if at_ms >= end_ms) - end_ms <= 5_000


@pytest.mark.parametrize(("hint", "most"), [({}, 20), ({"retry-after": "0"}, 20), ({"retry-after": "1"}, 65)])
def test_where_all_is_throttled_a_hint_of_no_wait_is_no_leave_to_send_at_once(hint, most):
    """Before the mend a hint of 0, as of a clock that is ahead, let 50 calls a second go."""
    throttled = judge(429, hint, b'{"Code": "Throttling.User"}')
    api = SlowApi(lambda *_: (throttled, 20)).run(until_ms=60_000, every_ms=600)
    assert len(api.calls) <= most


@pytest.mark.parametrize(
    "answer", [judge(500, {}, b""), Retry("ReadError", "reset", in_doubt=True)], ids=["500", "reset"]
)
def test_a_batch_that_fails_alone_as_if_the_api_were_away_does_not_hold_the_others_for_ever(answer):
    """Before the mend each probe was this batch: the seven before it were all that was ever delivered."""
    api = SlowApi(lambda _, number: (answer, 30) if number == 7 else (Delivered(took_ms=30), 30))
    api.run(until_ms=120_000, every_ms=100)
    assert set(api.delivered) >= set(range(1_000)) - {7}
    assert not api.dispatch.halt


def test_messages_in_doubt_that_are_claimed_anew_are_counted_when_they_are_sent_again():
    api = SlowApi(lambda now_ms, _: (HUNG, 100) if now_ms < 50 else (Delivered(took_ms=5), 5))
    api.run(until_ms=1_000, every_ms=1_000, withdraw_at_ms=150)
    assert api.dispatch.attempts.resent_in_doubt == 1
