"""What is counted for the metrics: histograms, event codes, and the time of the oldest unfinished record."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Delivered, Exhausted, Halt, Refused, Retry, Unsent
from pipeline.job.attempts import AnswerClass, class_of
from pipeline.job.counts import MOST_EVENT_CODES, OTHER_EVENT_CODES, Counts, MessageOutcome
from pipeline.job.histogram import CALL_MS, DELIVERY_MS, Histogram
from pipeline.job.unfinished_times import UnfinishedTimes
from transforms.base import Kind

TIMES = st.lists(st.integers(0, 100_000), max_size=60)


@given(TIMES, st.integers(0, 100_000))
def test_ages_are_counted_as_one_by_one(times_ms, now_ms):
    at_once, one_by_one = Histogram(CALL_MS), Histogram(CALL_MS)
    at_once.observe_ages(now_ms, times_ms)
    for time_ms in times_ms:
        one_by_one.observe(max(0, now_ms - time_ms))
    assert at_once == one_by_one


@given(TIMES, TIMES)
def test_a_sum_of_histograms_counts_everything_once(one_has, other_has):
    one, other, both = (Histogram(CALL_MS) for _ in range(3))
    for value in one_has:
        one.observe(value)
        both.observe(value)
    for value in other_has:
        other.observe(value)
        both.observe(value)
    copied = one.copy()
    copied.add(other)
    assert copied == both
    assert sum(one.counts) == len(one_has)


def test_a_value_at_a_bound_counts_below_it():
    histogram = Histogram((1, 5))
    for value in (0, 1, 2, 5, 6):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.sum == 14


TIMED = st.none() | st.integers(-1, 50_000)  # kafka-python has None for the oldest format of records
MESSAGES = st.lists(st.tuples(st.sampled_from(["", "", "pay", "seen"]), TIMED), max_size=40)


@given(MESSAGES)
def test_reported_messages_are_counted_by_kind_and_code(messages):
    counts = Counts()
    counts.reported([code for code, _ in messages], [time_ms for _, time_ms in messages], 50_000)
    for code in ("", "pay", "seen"):
        kind = Kind.EVENT if code else Kind.USER
        expected = sum(each == code for each, _ in messages)
        assert counts.messages.get((kind, code, MessageOutcome.REPORTED), 0) == expected
    for kind in Kind:
        times_ms = [time_ms for code, time_ms in messages if bool(code) is (kind is Kind.EVENT) and time_ms is not None]
        ages = [50_000 - time_ms for time_ms in times_ms if time_ms >= 0]
        expected = [0] * (len(DELIVERY_MS) + 1)
        for age_ms in ages:
            expected[bisect_left(DELIVERY_MS, age_ms)] += 1
        assert counts.delivery_ms[kind].counts == expected
        assert counts.delivery_ms[kind].sum == sum(ages)


@given(st.lists(st.lists(st.integers(0, 150).map("code-{}".format), max_size=300), max_size=3))
def test_event_codes_of_the_log_do_not_fill_the_counts(processes):
    both = Counts()
    for codes in processes:
        counts = Counts()
        for code in codes:
            counts.ended(Kind.EVENT, code, MessageOutcome.DUPLICATE)
        both.add(counts)
        assert sum(counts.messages.values()) == len(codes)
    assert sum(both.messages.values()) == sum(map(len, processes))
    assert len(both.messages) <= MOST_EVENT_CODES + 1
    distinct = {code for codes in processes for code in codes}
    assert any(each.event_code == OTHER_EVENT_CODES for each in both.messages) is (len(distinct) > MOST_EVENT_CODES)


@given(st.lists(st.tuples(st.lists(st.integers(1, 3), max_size=6), st.integers(0, 6), st.integers(0, 8))), st.data())
def test_the_oldest_time_is_that_of_the_lowest_unfinished_record(polls, data):
    """Each poll reads some records, perhaps gives the last of them back, and then some of the oldest finish."""
    times = UnfinishedTimes()
    unfinished: list[tuple[int, int]] = []
    offset, newest = 0, -1
    for steps, unread, finished in polls:
        records = []
        for step in steps:
            offset += step
            records.append((offset, data.draw(st.none() | st.integers(-1, 1_000))))
        head = unfinished[0][0] if unfinished else None
        times.begin([each for each, _ in records], [time_ms for _, time_ms in records], head)
        unfinished += records
        newest = records[-1][1] if records else newest
        if 0 < unread <= len(records):
            times.unread(records[-unread][0])
            del unfinished[-unread:]
            offset = records[-unread][0] - 1
        del unfinished[:finished]
        expected = unfinished[0][1] if unfinished else newest
        found = times.oldest_ms(unfinished[0][0] if unfinished else None)
        assert found == (expected if expected is not None and expected >= 0 else None)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Delivered(), AnswerClass.ACCEPTED),
        (Unsent(), AnswerClass.UNSENT),
        (Halt("Forbidden", ""), AnswerClass.HALT),
        (Refused("ES400", ""), AnswerClass.REFUSED),
        (Retry("ES999", "", outage=False, limit=2, exhausted=Exhausted.ISOLATE_OR_HALT), AnswerClass.REFUSED),
        (Retry("Throttling.User", "", outage=False, throttled=True), AnswerClass.THROTTLED),
        (Retry("ReadTimeout", "", in_doubt=True), AnswerClass.IN_DOUBT),
        (Retry("ServiceUnavailable", ""), AnswerClass.AWAY),
        (Retry("IllegalTimestamp", "", limit=2), AnswerClass.RETRIED),
    ],
)
def test_each_outcome_has_a_class(outcome, expected):
    assert class_of(outcome) is expected
