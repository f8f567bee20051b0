"""The back-off, with random numbers that the test gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.retry import MOST_HINT_MS, Backoff

CHANCE = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10_000), st.integers(0, 100_000), st.integers(1, 2_000), CHANCE)
def test_a_delay_lies_in_the_upper_half_of_its_step(first, more, failures, chance):
    most = first + more
    step = min(most, first * 2 ** (failures - 1))
    assert step // 2 <= Backoff(first, most, lambda: chance).delay_ms(failures) <= step


@given(st.integers(0, 10**12), st.integers(1, 50), CHANCE)
def test_a_delay_is_never_shorter_than_the_hint_and_the_hint_is_bounded(hint, failures, chance):
    backoff = Backoff(200, 30_000, lambda: chance)
    delay = backoff.delay_ms(failures, hint)
    assert delay >= min(hint, MOST_HINT_MS)
    assert delay <= max(30_000, MOST_HINT_MS)
    assert delay >= backoff.delay_ms(failures)


def test_steps_double_up_to_the_most():
    backoff = Backoff(200, 1_500, lambda: 0.999999)
    assert [backoff.delay_ms(failures) for failures in range(1, 6)] == [199, 399, 799, 1499, 1499]
