"""The limit of dead letters: it is passed where too many of the records that were read one after the other became dead letters."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dead_letters.limit import KEPT_HALVES, DeadLetterLimit
from pipeline.errors import TooManyDeadLetters


def is_stopped(limit, places):
    """Count dead letters, and return whether one of them was too many."""
    try:
        for place in places:
            limit.dead(place)
    except TooManyDeadLetters:
        return True
    return False


@given(
    window=st.integers(2, 12).map(lambda half: 2 * half),
    share=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]),
    bad=st.sets(st.integers(0, 119)),
    seed=st.integers(0, 2**32),
)
def test_dead_letters_count_where_their_records_were_read_whenever_they_come(window, share, bad, seed):
    def read():
        limit = DeadLetterLimit(share, window)
        places = [limit.read() for _ in range(120)]
        return limit, [places[each] for each in sorted(bad)]

    limit, late = read()
    Random(seed).shuffle(late)
    half = window // 2
    most = max(sum(each in bad for each in range(first, first + window)) for first in range(0, 120, half))
    assert is_stopped(limit, late) == (most > share * window)
    assert is_stopped(*read()) == is_stopped(*(read()[0], late))


def test_it_says_how_many_there_are_and_what_is_allowed():
    limit = DeadLetterLimit(0.05, 1_000)
    for _ in range(50):
        limit.dead(limit.read())
    with pytest.raises(TooManyDeadLetters, match=r"51 of 1000 records .* dead_letters.stop_above allows 5\.0%"):
        limit.dead(limit.read())


def test_a_job_that_runs_for_long_keeps_few_counts():
    limit = DeadLetterLimit(0.5, 4)
    for number in range(10 * KEPT_HALVES):
        place = limit.read()
        if number % 2:
            with suppress(TooManyDeadLetters):
                limit.dead(place)
    assert len(limit._dead) <= KEPT_HALVES
