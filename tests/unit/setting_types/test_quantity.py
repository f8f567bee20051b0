"""Quantities as a person writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.setting_types.quantity import (
    MOST_MS,
    format_bytes,
    format_duration,
    parse_bytes,
    parse_duration,
    parse_share,
)


@given(st.integers(0, 10**12))
def test_a_duration_reads_back(milliseconds):
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@given(st.integers(0, 1 << 50))
def test_a_size_reads_back(count):
    assert parse_bytes(format_bytes(count)) == count


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("250ms", 250), ("1s", 1_000), ("1h30m", 5_400_000), ("7d", 604_800_000), (0, 0), ("0s", 0)],
)
def test_durations(text, milliseconds):
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("wrong", [7, "7", "", "1.5s", "-1s", "1 s s", "s", None, True, False, [], "1y", "1s" * 30])
def test_what_is_no_duration(wrong):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(wrong)


def test_a_duration_is_at_most_a_hundred_years():
    assert parse_duration("36500d") == MOST_MS
    for longer in ("36501d", "36500d1ms", "999999999999w"):
        with pytest.raises(ValueError, match="expected a duration of at most 36500d"):
            parse_duration(longer)


@pytest.mark.parametrize(
    ("text", "count"),
    [(4096, 4096), ("64KiB", 65_536), ("1.5MiB", 1_572_864), ("500kB", 500_000), ("7", 7), ("1 GiB", 1 << 30)],
)
def test_sizes(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("wrong", [-1, 1.5, "1.5", "much", "", None, True, "1XiB", "1e3"])
def test_what_is_no_size(wrong):
    with pytest.raises(ValueError, match="expected a size"):
        parse_bytes(wrong)


@pytest.mark.parametrize(
    ("text", "share"), [("5%", 0.05), ("0.5 %", 0.005), (0.05, 0.05), (0, 0.0), (1, 1.0), ("100%", 1.0)]
)
def test_shares(text, share):
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("wrong", ["101%", 1.1, -0.1, "5", True, None, "five%"])
def test_what_is_no_share(wrong):
    with pytest.raises(ValueError, match="expected a share"):
        parse_share(wrong)
