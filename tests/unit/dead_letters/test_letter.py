"""A dead letter that is read again is the record that was refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Partition
from pipeline.dead_letters.headers import DeadLetterHeaders
from pipeline.dead_letters.letter import OWN_HEADERS, DeadLetter
from pipeline.dead_letters.selection import Selection, count_by_reason
from schemas.log import RawRecord
from schemas.refusal import ReasonCode, Refusal, Stage

HEADERS = st.lists(
    st.tuples(st.text(max_size=8).filter(lambda name: name not in OWN_HEADERS), st.binary(max_size=8)), max_size=4
)
RECORDS = st.builds(
    RawRecord,
    st.sampled_from(["log", "shop.app-log"]),
    st.integers(0, 50),
    st.integers(0, 2**62),
    st.integers(-1, 2**45),
    st.none() | st.binary(max_size=9),
    st.none() | st.binary(max_size=30),
    HEADERS.map(tuple),
)
REFUSALS = st.builds(
    Refusal,
    st.sampled_from(list(Stage)),
    st.sampled_from(list(ReasonCode)),
    st.text(max_size=20),
    st.sampled_from(["", "ES400"]),
)


def written(record, refusal, place, source="shop", now_ms=5_000):
    """The dead letter of a record, as it is in its topic."""
    headers = (*record.headers, *DeadLetterHeaders(source, lambda: now_ms)(record, refusal))
    return RawRecord("shop-dead", 0, place, now_ms, record.key, record.value, headers)


@given(RECORDS, REFUSALS)
def test_the_record_comes_back_as_it_was(record, refusal):
    letter = DeadLetter.read(written(record, refusal, 3))
    assert letter.original() == record
    assert (letter.source, letter.stage, letter.reason, letter.api_code) == (
        "shop",
        refusal.stage,
        refusal.code,
        refusal.api_code,
    )
    assert (letter.place, letter.refused_at, letter.is_cut) == ("shop-dead:0:3", 5_000, False)
    assert letter.origin_place == f"{record.topic}:{record.partition}:{record.offset}"


@given(RECORDS, REFUSALS, REFUSALS)
def test_of_a_dead_letter_of_a_dead_letter_the_last_refusal_counts(record, first, second):
    once = written(record, first, 3)
    letter = DeadLetter.read(written(once, second, 9, now_ms=6_000))
    assert (letter.reason, letter.refused_at, letter.origin) == (second.code, 6_000, Partition("shop-dead", 0))
    assert letter.original().headers == record.headers


@given(RECORDS)
def test_another_record_is_no_dead_letter(record):
    assert DeadLetter.read(record) is None


def test_headers_that_somebody_else_wrote_raise_nothing():
    headers = (
        ("log2mq-source", b"shop"),
        ("log2mq-topic", b"log"),
        ("log2mq-partition", b"\xff"),
        ("log2mq-offset", b"9" * 40),
    )
    letter = DeadLetter.read(RawRecord("shop-dead", 0, 0, 0, None, None, headers))
    assert (letter.origin, letter.offset, letter.refused_at) == (Partition("log", -1), -1, -1)


LETTERS = st.lists(st.tuples(RECORDS, REFUSALS, st.integers(0, 100)), max_size=12).map(
    lambda drawn: [
        DeadLetter.read(written(record, refusal, place, now_ms=at_ms))
        for place, (record, refusal, at_ms) in enumerate(drawn)
    ]
)


@given(LETTERS)
def test_each_letter_is_counted_once(letters):
    counts = count_by_reason(letters)
    assert sum(each.letters for each in counts) == len(letters)
    assert [each.letters for each in counts] == sorted((each.letters for each in counts), reverse=True)
    for each in counts:
        same = [
            letter
            for letter in letters
            if letter[6:8] == each.example[6:8] and letter.api_code == each.example.api_code
        ]
        assert (len(same), min(letter.refused_at for letter in same), max(letter.refused_at for letter in same)) == (
            each.letters,
            each.first_ms,
            each.last_ms,
        )
        assert each.example.refused_at == each.last_ms


@given(LETTERS, st.integers(0, 100), st.integers(0, 100))
def test_a_selection_is_what_its_words_say(letters, since_ms, until_ms):
    chosen = Selection("shop", reasons=["NOT_JSON", "FIELD_TYPE"], since_ms=since_ms, until_ms=until_ms)
    for letter in letters:
        expected = letter.reason in {"NOT_JSON", "FIELD_TYPE"} and since_ms <= letter.refused_at < until_ms
        assert chosen.has(letter) is expected
    assert not any(Selection("another").has(letter) for letter in letters)
    assert all(Selection("shop").has(letter) for letter in letters)
