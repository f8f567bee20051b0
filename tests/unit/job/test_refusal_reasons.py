"""The reasons that an error with too many dead letters names."""

from __future__ import annotations

from pipeline.job.refusal_reasons import MOST_REASONS, RefusalReasons
from schemas.log import RawRecord
from schemas.refusal import ReasonCode, Refusal, Stage


def record(offset):
    return RawRecord("log", 2, offset, 0, None, b"")


def test_the_commonest_three_and_the_first_record_are_told():
    reasons = RefusalReasons()
    for offset, name in enumerate("aabbbbcd"):
        reasons.add(record(offset), Refusal(Stage.TRANSFORM, ReasonCode.FIELD_MISSING, f"rule {name}"))
    reasons.add(record(99), Refusal(Stage.REPORT, ReasonCode.API_REFUSED, "the content is refused", "ES400"))
    *told, way_back = reasons.lines()
    assert told == [
        "refused 4 times: FIELD_MISSING at transform: rule b",
        "refused 2 times: FIELD_MISSING at transform: rule a",
        "refused 1 time: FIELD_MISSING at transform: rule c",
    ]
    assert "was refused is log:2:0; " in way_back


def test_reasons_do_not_fill_the_memory():
    reasons = RefusalReasons()
    for number in range(10 * MOST_REASONS):
        reasons.add(record(number), Refusal(Stage.TRANSFORM, ReasonCode.PLUGIN_RAISED, f"reason {number}"))
    assert len(reasons._counts) == MOST_REASONS


def test_nothing_is_told_of_nothing():
    assert RefusalReasons().lines() == []
