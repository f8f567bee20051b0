"""The demo's table: a kill changes none of its figures, and every difference counts as unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.emulator.demo_result import SourceResult
from pipeline.emulator.samples.generate import ExpectedBooks
from pipeline.job.books import Books
from schemas.refusal import ReasonCode

EXPECTED = ExpectedBooks(
    read=10,
    reported=6,
    duplicate=2,
    filtered=1,
    dead_lettered={ReasonCode.NOT_JSON: 1},
    events=frozenset({("pay", "1"), ("pay", "2")}),
)
BOOKS = Books(read=10, reported=6, duplicate=2, filtered=1, dead_lettered=1)
ACCEPTED = {("pay", "1"): 1, ("pay", "2"): 2}


def test_records_reported_before_the_kill_and_recognised_after_it_count_as_reported():
    result = SourceResult(EXPECTED, replace(BOOKS, reported=4, duplicate=4, redelivered=2), ACCEPTED, {})
    assert result.account == BOOKS
    assert (result.lost, result.unknown, result.more_than_once) == (0, 0, 1)


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        ({"reported": 7, "duplicate": 1}, 2),
        ({"reported": 5, "duplicate": 3}, 2),
        ({"read": 9, "filtered": 0}, 2),
        ({"dead_lettered": 0, "in_flight": 1}, 2),
    ],
)
def test_a_record_that_ended_otherwise_than_expected_is_unknown(change, unknown):
    assert SourceResult(EXPECTED, replace(BOOKS, **change), ACCEPTED, {}).unknown == unknown


def test_an_event_that_nobody_expected_is_unknown_and_one_that_is_not_there_is_lost():
    result = SourceResult(EXPECTED, BOOKS, {("pay", "1"): 1, ("pay", "3"): 1}, {})
    assert (result.lost, result.unknown) == (1, 1)
