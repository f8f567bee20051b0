"""The headers of a dead letter, read again as a record."""

from __future__ import annotations

import pytest

from pipeline.dead_letters.headers import DeadLetterHeaders, first_written_ms
from schemas.log import RawRecord
from schemas.refusal import ReasonCode, Refusal, Stage

REFUSAL = Refusal(Stage.REPORT, ReasonCode.API_REFUSED, "no")


@pytest.mark.parametrize("time_ms", [0, 1_700_000_000_000, -1])
def test_a_dead_letter_read_again_has_the_time_of_its_record(time_ms):
    record = RawRecord("log", 0, 7, time_ms, None, b"{}")
    assert first_written_ms(record) == time_ms
    letter = record._replace(
        topic="dead", timestamp=1_800_000_000_000, headers=DeadLetterHeaders("s", lambda: 5)(record, REFUSAL)
    )
    assert first_written_ms(letter) == time_ms


@pytest.mark.parametrize("value", [None, b"", b"soon", b"-2", b"1.5", "１２".encode(), b"9" * 5_000])
def test_another_value_in_that_header_is_no_time(value):
    assert first_written_ms(RawRecord("log", 0, 7, 3, None, b"{}", [("log2mq-timestamp", value)])) == 3
