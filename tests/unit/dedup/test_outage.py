"""A store that does not answer: it is asked again with back-off, for as long as the setting says, or until the job may not wait any more."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.outage import FIRST_MS, LOG_AFTER_MS, MOST_MS, StoreOutage
from pipeline.errors import StoreUnavailable

LIMIT_MS = 60_000


class Place:
    """A clock, a store that is away for a time, and a job that waits for it, up to a moment."""

    def __init__(self, away_ms, answer_ms=0, ends_ms=10**9, random=lambda: 0.5):
        self.now_ms = 1_000
        self.back_ms = self.now_ms + away_ms
        self.answer_ms = answer_ms  # how long an attempt takes that fails
        self.ends_ms = self.now_ms + ends_ms
        self.asked_ms = []
        self.waited = []
        self.outage = StoreOutage(LIMIT_MS, self.wait, lambda: self.now_ms, random)

    def ask(self):
        self.asked_ms.append(self.now_ms)
        if self.now_ms < self.back_ms:
            self.now_ms += self.answer_ms
            raise StoreUnavailable("the dedup store does not answer", may_pass=True)
        return "yes"

    def wait(self, reason, pause_ms):
        if self.now_ms >= self.ends_ms:
            return False
        self.waited.append(reason)
        self.now_ms += pause_ms
        return True


@given(
    away_ms=st.integers(0, LIMIT_MS - MOST_MS - 5_000),
    answer_ms=st.sampled_from([0, 1, 5_000]),
    random=st.floats(0, 0.999),
)
def test_an_outage_that_ends_in_time_is_waited_out(away_ms, answer_ms, random):
    place = Place(away_ms, answer_ms, random=lambda: random)
    assert place.outage.call(place.ask) == "yes"
    assert not place.outage.is_on
    late_ms = place.asked_ms[-1] - place.back_ms
    assert late_ms <= MOST_MS + answer_ms
    # It is not asked more often than the back-off allows.
    assert len(place.asked_ms) <= 12 + away_ms // (MOST_MS // 2)


def test_an_outage_that_lasts_ends_the_call_and_the_next_call_does_not_begin_to_wait_anew():
    place = Place(10**9)
    with pytest.raises(StoreUnavailable):
        place.outage.call(place.ask)
    assert LIMIT_MS <= place.now_ms - 1_000 <= LIMIT_MS + MOST_MS
    asked = len(place.asked_ms)
    with pytest.raises(StoreUnavailable):
        place.outage.call(place.ask)
    assert len(place.asked_ms) - asked == 1


def test_where_the_job_may_not_wait_a_call_fails_at_once_and_the_store_is_asked_in_the_pace_of_the_back_off():
    place = Place(10_000, answer_ms=10, ends_ms=5_000)
    with pytest.raises(StoreUnavailable):
        place.outage.call(place.ask)
    assert place.now_ms < place.ends_ms + 2 * MOST_MS
    asked = len(place.asked_ms)
    for _ in range(10_000):
        place.now_ms += 1
        try:
            assert place.outage.call(place.ask) == "yes"
        except StoreUnavailable:
            assert place.now_ms < place.back_ms + MOST_MS
        else:
            break
    assert place.now_ms >= place.back_ms
    assert len(place.asked_ms) - asked <= 2 + 10_000 // (MOST_MS // 2)


def test_an_error_that_does_not_pass_is_raised_at_once():
    place = Place(0)

    def refuse():
        place.asked_ms.append(place.now_ms)
        raise StoreUnavailable("it refuses the password")

    with pytest.raises(StoreUnavailable):
        place.outage.call(refuse)
    assert (len(place.asked_ms), place.waited) == (1, [])


@pytest.mark.parametrize(("away_ms", "answer_ms"), [(2 * LOG_AFTER_MS, 0), (1, LOG_AFTER_MS)])
def test_an_outage_is_logged_once_with_its_end(caplog, away_ms, answer_ms):
    place = Place(away_ms, answer_ms)
    with caplog.at_level(logging.WARNING):
        place.outage.call(place.ask)
    begun, ended = caplog.messages
    assert begun == "the dedup store does not answer; trying for 60 s"
    assert "answers again" in ended
    assert set(place.waited) == {begun}


def test_a_short_absence_is_not_logged(caplog):
    place = Place(FIRST_MS)
    with caplog.at_level(logging.WARNING):
        place.outage.call(place.ask)
    assert caplog.messages == []
