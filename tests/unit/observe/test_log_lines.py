"""Log lines: an event has its fields in JSON, and a fault that repeats does not fill a disk."""

from __future__ import annotations

import io
import json
import logging
import os
import socket

import pytest

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.observe.log_lines import are_lines_json, set_up_logging
from pipeline.observe.log_rate import MOST_A_MINUTE, MOST_KINDS, LineRateLimit
from tests.unit.observe.test_observe import logs_as_before  # noqa: F401 - a fixture

LOG = logging.getLogger("log2mq.test")


@pytest.fixture
def lines(logs_as_before):  # noqa: F811
    """Return the JSON lines so far."""
    sink = io.StringIO()
    set_up_logging("json", "info", sink, source="shop", worker=3)
    return lambda: [json.loads(line) for line in sink.getvalue().splitlines()]


def test_an_event_has_its_fields_and_those_of_its_process(lines):
    assert are_lines_json()
    place = {"topic": "log", "partition": 2, "offset": 17}
    log_event(LOG, logging.WARNING, LogEvent.HEAD_STUCK, "log:2 stands", **place, reason="held")
    (line,) = lines()
    assert line.pop("time").endswith("Z")
    assert line.pop("version")
    assert line == {
        "level": "warning",
        "event": "head_stuck",
        "source": "shop",
        "worker": 3,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "logger": "log2mq.test",
        "message": "log:2 stands",
        **place,
        "reason": "held",
    }


def test_another_line_has_no_event(lines):
    LOG.info("%d calls", 3)
    (line,) = lines()
    assert (line["message"], "event" in line) == ("3 calls", False)


def test_no_field_has_an_identifier(lines):
    log_event(
        LOG,
        logging.INFO,
        LogEvent.FATAL,
        "call 13800138000",
        reason="of 13800138000",
        partitions={"a": ["li.lei@example.com"]},
    )
    (line,) = lines()
    assert (line["message"], line["reason"], line["partitions"]) == ("call ***", "of ***", {"a": ["***"]})


def test_a_line_stays_one_line(lines):
    log_event(LOG, logging.INFO, LogEvent.FATAL, "two\nlines", code="a\u2028b\x1b[31m")
    (line,) = lines()
    assert line["message"] == "two\nlines"


def record(event="", text="a commit failed (%s)", at_s=1_000.0, name="log2mq.test"):
    made = logging.LogRecord(name, logging.INFO, "x.py", 1, text, ("E",), None)
    made.created = at_s
    if event:
        made.event = event
    return made


def test_a_line_that_repeats_is_left_out_and_counted():
    limit = LineRateLimit()
    assert [limit.filter(record()) for _ in range(MOST_A_MINUTE + 40)] == [True] * MOST_A_MINUTE + [False] * 40
    assert limit.filter(record(text="another"))
    assert limit.filter(record(event="outage_begun"))
    later = record(at_s=1_060.0)
    assert limit.filter(later)
    assert later.left_out == 40


def test_a_clock_that_goes_back_silences_nothing():
    limit = LineRateLimit()
    for _ in range(MOST_A_MINUTE + 1):
        limit.filter(record())
    assert limit.filter(record(at_s=10.0))


def test_kinds_of_lines_do_not_fill_the_memory():
    limit = LineRateLimit()
    for number in range(3 * MOST_KINDS):
        assert limit.filter(record(text=f"text {number}"))
    assert len(limit._kinds) == MOST_KINDS
