"""The order of the versions of a message: within a place by offset, between places by time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.message_order import at_position, is_older, order_of, place_number, record_origin, succeeding
from pipeline.contracts.values import Partition

ORDERS = st.builds(
    lambda place, offset, time_ms, position: at_position(order_of(place, offset, time_ms), position),
    st.integers(1, 3),
    st.integers(0, 300),
    st.integers(-1, 300),
    st.integers(0, 300),
)


@given(ORDERS, ORDERS)
def test_of_two_orders_at_most_one_is_older(one, other):
    assert not (is_older(one, other) and is_older(other, one))
    assert not is_older(one, one)


@given(ORDERS, ORDERS, st.integers(0, 300))
def test_processes_agree_on_different_orders_that_have_a_time(one, other, time_ms):
    one, other = (time_ms.to_bytes(8) + each[8:] for each in (one, other))
    if time_ms:
        assert (is_older(one, other) or is_older(other, one)) == (one != other)


TIMES = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(st.lists(TIMES, min_size=1, max_size=3), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=60))
def test_partitions_read_in_any_order_and_again_never_go_back(logs, reads):
    """Times within a partition may run backwards: what it tells later counts as told no sooner."""
    ranks = [
        [(max(times[: offset + 1]), place, offset) for offset in range(len(times))] for place, times in enumerate(logs)
    ]
    positions = [0] * len(logs)
    kept, told = b"", []
    for place, back in reads:
        if place >= len(logs):
            continue
        offset = positions[place] = max(0, positions[place] - back) if back else positions[place]
        if offset == len(logs[place]):
            continue
        positions[place] = offset + 1
        order = order_of(place, offset, logs[place][offset])
        if not is_older(order, kept):
            kept = succeeding(order, kept)
            told.append(ranks[place][offset])
    assert told == sorted(told)


def test_an_order_that_is_missing_is_neither_older_nor_newer():
    order = order_of(1, 1, 1)
    assert not is_older(b"", order)
    assert not is_older(order, b"")


def test_a_topic_that_was_created_again_is_another_place():
    here = Partition("log", 0)
    assert (
        len(
            {
                place_number(here),
                place_number(here, "1" * 32),
                place_number(here, "2" * 32),
                place_number(Partition("log", 1)),
            }
        )
        == 4
    )


def test_each_record_has_an_origin_of_its_own():
    places = [place_number(Partition("log", number)) for number in range(10)]
    assert len({record_origin(place, offset) for place in places for offset in range(100)}) == 1_000
    assert len(record_origin(2**64 - 1, 5)) == 8
