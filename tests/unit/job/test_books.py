"""The books balance, add up, and survive being written into a commit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.job.books import (
    COLUMNS,
    Books,
    BooksUnbalanced,
    MessageResult,
    RecordOutcome,
    RecordResult,
    Tally,
    decode_books,
    decode_store_id,
    encode_books,
)

RESULTS = st.builds(
    RecordResult,
    st.sampled_from(RecordOutcome),
    st.dictionaries(st.sampled_from(MessageResult), st.integers(1, 10**9)).map(lambda counts: tuple(counts.items())),
)
TALLIES = st.lists(RESULTS, max_size=200).map(Tally.of)


STORE_ID = "memory-0123456789abcdef"


@given(TALLIES, st.integers(0, 10**6), st.sampled_from(["", STORE_ID]))
def test_what_is_written_into_a_commit_is_read_back(tally, lost, store_id):
    metadata = encode_books(tally, lost, store_id=store_id)
    assert len(metadata) < 1_000  # the broker takes 4,096 bytes, and the source adds some of its own
    assert decode_books(metadata) == (tally, lost, None)
    assert decode_store_id(metadata) == store_id


def test_the_rows_of_earlier_versions_are_added_up():
    rows = [
        [0, 1, 0, 0, 0, 0, 0, 0, 12],
        [0, 2, 1, 0, 0, 0, 0, 0, 3],
        [4, 0, 0, 0, 1, 0, 0, 0, 2],
        [3, 0, 0, 0, 0, 0, 0, 0, 5],
    ]
    tally, lost, until = decode_books(json.dumps({"endings": rows, "lost": 4, "until": 90}))
    assert (tally.outcomes, tally.messages) == ([15, 0, 0, 5, 2], [18, 3, 0, 2, 0, 0, 0])
    assert (lost, until) == (4, 90)


@given(TALLIES)
def test_earlier_versions_add_the_rows_up_to_the_same_sums(tally):
    """They read a row as an outcome, the messages of one record, and the number of such records."""
    outcomes, messages = [0] * 5, [0] * 7
    for outcome, *each, count in json.loads(encode_books(tally, 0))["endings"]:
        outcomes[outcome] += count
        messages = [sum_ + number * count for sum_, number in zip(messages, each, strict=True)]
    assert outcomes == tally.outcomes
    if any(outcomes):
        assert messages == tally.messages


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
    "foreign",
    ["", "somebody else's note", "[1, 2]", '{"endings": [[99, 1]]}', '{"endings": 7}', "null", '{"store": 7}'],
)
def test_metadata_by_anyone_else_counts_as_none(foreign):
    assert decode_books(foreign) == (Tally(), 0, None)
    assert decode_store_id(foreign) == ""
