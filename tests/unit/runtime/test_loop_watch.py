"""A loop that stands still is named, with the place where it stands."""

from __future__ import annotations

import logging
import time

import pytest

from pipeline.runtime import loop_watch
from pipeline.runtime.loop_watch import LoopWatch
from tests.support.jobs import wait_for

pytestmark = pytest.mark.slow  # each waits for a thread


def test_the_place_is_named_and_not_too_often(caplog, monkeypatch):
    monkeypatch.setattr(loop_watch, "STUCK_MS", 200)
    caplog.set_level(logging.ERROR, "log2mq.job")
    begun = time.monotonic()

    def now_ms():
        return int((time.monotonic() - begun) * 1000)

    with LoopWatch(lambda: 0, now_ms, look_s=0.05):
        wait_for(lambda: caplog.records, "the line", 30)
        time.sleep(0.3)
    (line,) = caplog.records
    assert line.event == "loop_stuck"
    assert line.fields["lasted_ms"] >= 200
    assert "jobs.py:" in line.getMessage() or "test_loop_watch.py:" in line.getMessage()


def test_a_loop_that_tells_its_status_is_not_named(caplog, monkeypatch):
    monkeypatch.setattr(loop_watch, "STUCK_MS", 200)
    caplog.set_level(logging.ERROR, "log2mq.job")
    begun = time.monotonic()

    def now_ms():
        return int((time.monotonic() - begun) * 1000)

    with LoopWatch(now_ms, now_ms, look_s=0.02), LoopWatch(lambda: None, now_ms, look_s=0.02):
        time.sleep(0.5)
    assert not caplog.records


def test_a_process_that_stood_still_itself_names_nothing_at_once(caplog, monkeypatch):
    caplog.set_level(logging.ERROR, "log2mq.job")
    times = iter(range(0, 1_000_000_000, 3_600_000))  # an hour passes between two looks

    with LoopWatch(lambda: 0, lambda: next(times), look_s=0.01):
        time.sleep(0.2)
    assert not caplog.records
