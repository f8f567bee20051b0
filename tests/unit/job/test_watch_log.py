"""What the log says of conditions that last: when they begin, each minute, and when they end."""

from __future__ import annotations

import logging

import pytest

from pipeline.contracts.values import Partition
from pipeline.job.flow.state import FlowState, Slowed
from pipeline.job.head_watch import Head
from pipeline.job.hold import Hold
from pipeline.job.status import Status
from pipeline.job.watch_log import WatchLog
from transforms.base import Kind

HERE = Partition("log", 3)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "log2mq.job")

    def said():
        lines = [(record.event.value, record.fields, record.getMessage()) for record in caplog.records]
        caplog.clear()
        return lines

    return said


def watch(log, seconds, head=None, begin_s=0, **more):
    """Look twice a second, as the loop does."""
    for half in range(2 * begin_s, 2 * (begin_s + seconds)):
        status = {name: value(half * 500) if callable(value) else value for name, value in more.items()}
        log.note(Status(half * 500, {}, **status), head)


def away(since_ms=0):
    return (FlowState(Kind.EVENT, why=Slowed.AWAY, code="HTTP503", until_ms=0, away_since_ms=since_ms),)


WELL = (FlowState(Kind.EVENT),)


def test_an_outage_is_told_when_it_begins_each_minute_and_when_it_ends(said):
    log = WatchLog()
    watch(log, 150, flows=away())
    watch(log, 10, begin_s=150, flows=WELL)
    lines = said()
    assert [event for event, _, _ in lines] == ["outage_begun", "outage_lasts", "outage_lasts", "outage_ended"]
    assert [fields["lasted_ms"] for _, fields, _ in lines] == [5_000, 65_000, 125_000, 150_000]
    assert lines[0][1] == {"operation": "events", "code": "HTTP503", "lasted_ms": 5_000}
    assert lines[0][2].startswith("events: Quick Audience has been away for 5 s (HTTP503)")


def test_a_second_outage_is_told_again_and_a_short_one_is_not(said):
    log = WatchLog()
    watch(log, 4, flows=away())
    watch(log, 10, begin_s=4, flows=WELL)
    assert said() == []
    watch(log, 6, begin_s=14, flows=away(14_000))
    watch(log, 1, begin_s=20, flows=WELL)
    assert [event for event, _, _ in said()] == ["outage_begun", "outage_ended"]


def test_throttling_is_told_while_the_rate_is_limited(said):
    log = WatchLog()
    slowed = FlowState(Kind.USER, why=Slowed.THROTTLED, code="Throttling.User", rate=2.5)
    watch(log, 20, flows=(slowed,))
    watch(log, 50, begin_s=20, flows=(slowed._replace(why=None),))  # nothing waits, and the rate stays
    watch(log, 2, begin_s=70, flows=(FlowState(Kind.USER),))
    lines = said()
    assert [event for event, _, _ in lines] == ["throttled", "throttled", "throttling_ended"]
    assert lines[0][1] == {"operation": "users", "code": "Throttling.User", "rate": 2.5}


HOLD = Hold(Kind.EVENT, 2, "ES0999", 0, None, is_outage=False)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "one of its messages has no final answer yet"),
        ({"holds": (HOLD,)}, "2 events refused with ES0999, no other accepted since; held until one is accepted"),
        ({"held": "the schema 7 is asked for"}, "the schema 7 is asked for"),
        ({"dead_letters_away": True}, "the dead-letter topic takes no records"),
        ({"waiting_elsewhere": 5}, "5 messages wait for the claims of another worker"),
    ],
)
def test_a_head_that_does_not_move_is_told_with_its_offset_and_a_reason(said, more, reason):
    log = WatchLog()
    watch(log, 130, Head(HERE, 17, 0), **more)
    watch(log, 1, Head(HERE, 18, 130_000), 130)
    stuck, again, moved = said()
    assert (stuck[0], again[0], moved[0]) == ("head_stuck", "head_stuck", "head_moves")
    assert stuck[1] == {"topic": "log", "partition": 3, "offset": 17, "lasted_ms": 60_000, "reason": reason}
    assert moved[1] == {"topic": "log", "partition": 3, "offset": 17, "lasted_ms": 130_000}


def test_a_head_that_waits_for_an_outage_is_not_told_beside_it(said):
    log = WatchLog()
    watch(log, 100, Head(HERE, 17, 0), flows=away())
    assert {event for event, _, _ in said()} == {"outage_begun", "outage_lasts"}


def test_the_head_of_another_partition_is_another_head(said):
    log = WatchLog()
    watch(log, 61, Head(HERE, 17, 0))
    watch(log, 2, Head(Partition("log", 4), 17, 500), 61)
    assert [(event, fields["partition"]) for event, fields, _ in said()] == [
        ("head_stuck", 3),
        ("head_moves", 3),
        ("head_stuck", 4),
    ]


def test_nothing_is_told_after_a_stop(said):
    watch(WatchLog(), 100, Head(HERE, 17, 0), flows=away(), stopping=True)
    assert said() == []
