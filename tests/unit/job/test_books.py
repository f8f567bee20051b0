"""The books balance, add up, and survive being written into a commit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.job.books import COLUMNS, Books, BooksUnbalanced, RecordOutcome, RecordResult, decode_books, encode_books

COUNTS = st.integers(0, 5)
ENDINGS = st.builds(RecordResult, st.sampled_from(RecordOutcome), *[COUNTS] * 7)
TALLIES = st.dictionaries(ENDINGS, st.integers(1, 10**9), max_size=200)


@given(TALLIES, st.integers(0, 10**6))
def test_what_is_written_into_a_commit_is_read_back_with_the_same_sums(tally, lost):
    metadata = encode_books(tally, lost)
    assert len(metadata) < 3000  # the broker takes 4,096 bytes, and the source adds some of its own
    again, lost_again, _ = decode_books(metadata)
    assert Books.of(again, lost=lost_again) == Books.of(tally, lost=lost)


@given(TALLIES, st.integers(0, 100))
def test_a_tally_always_balances(tally, in_flight):
    Books.of(tally, in_flight=in_flight).check()


@given(st.lists(TALLIES, max_size=5))
def test_totals_add_up_column_by_column(tallies):
    books = [Books.of(tally) for tally in tallies]
    total = Books.total(books)
    for column in COLUMNS:
        assert getattr(total, column) == sum(getattr(each, column) for each in books)


def test_an_imbalance_is_said_with_its_figures():
    with pytest.raises(BooksUnbalanced, match="read 3, but accounted for 2: 1 reported"):
        Books(read=3, reported=1, filtered=1).check()


@pytest.mark.parametrize(
    "foreign", ["", "somebody else's note", "[1, 2]", '{"endings": [[99, 1]]}', '{"endings": 7}', "null"]
)
def test_metadata_by_anyone_else_counts_as_none(foreign):
    assert decode_books(foreign) == ({}, 0, None)
