"""The timeline, the picture, the clock of the job, and what is read from its output."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from tests.soak import clock
from tests.soak.evidence import PlayedFault, PrintedBooks
from tests.soak.kinds import FaultKind
from tests.soak.picture import picture
from tests.soak.processes import Command
from tests.soak.settings import source_text
from tests.soak.timeline import curves, timeline
from tests.support.paths import ROOT
from tests.unit.soak.good_evidence import BEGAN_MS, good_evidence

EVIDENCE = replace(
    good_evidence(),
    faults=[PlayedFault(FaultKind.API_LATENCY, BEGAN_MS + 12_000, BEGAN_MS + 18_000)],
    happenings=[(BEGAN_MS + 12_000, "begins: api-latency")],
    printed=[
        PrintedBooks(BEGAN_MS + 15_000, "host-a-1", {"in_flight": 40}),
        PrintedBooks(BEGAN_MS + 15_500, "host-b-1", {"in_flight": 2}),
    ],
)


def test_the_curves_count_what_was_accepted_and_what_is_left():
    drawn = curves(EVIDENCE)
    assert sum(drawn.throughput) == sum(len(batch.keys) for batch in EVIDENCE.accepted)
    assert drawn.lag[20] == 50  # one record in 20 ms, finished a second later
    assert drawn.in_flight[15] == 42


def test_the_timeline_says_what_happened_and_the_faults_of_each_moment():
    lines = timeline(EVIDENCE)
    assert any("12.0 s" in line and "begins: api-latency" in line for line in lines)
    assert any("20.0 s" in line and line.endswith("api-latency") for line in lines)


def test_the_picture_is_an_svg_with_a_band_for_each_fault():
    root = ET.fromstring(picture(EVIDENCE, "a <title> & more"))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a <title> & more" in texts
    assert texts.count("api-latency") == 1
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 3


def test_the_clock_of_a_process_follows_the_offset_and_the_monotonic_one_does_not(tmp_path):
    offset = clock.ClockOffset(tmp_path / "clock")
    code = (
        "import sys, time; from pathlib import Path; from tests.soak.clock import follow_offset; follow_offset(Path(sys.argv[1]))\n"
        "for _ in range(2): sys.stdin.readline(); print(time.time(), time.time_ns() / 1e9, time.monotonic(), flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(offset.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        for seconds in (0, -3_600):
            offset.set_seconds(seconds)
            before_s, monotonic_s = time.time(), time.monotonic()
            process.stdin.write("\n")
            process.stdin.flush()
            wall_s, wall_ns_s, shown_s = map(float, process.stdout.readline().split())
            after_s = time.time()
            assert before_s <= wall_s - seconds <= after_s
            assert before_s <= wall_ns_s - seconds <= after_s
            assert monotonic_s <= shown_s <= time.monotonic()
    offset.close()


@pytest.mark.slow
def test_the_source_file_of_the_soak_is_right_and_a_command_is_read_to_its_end(tmp_path):
    source = tmp_path / "soak.yaml"
    for redis_url in (None, "redis://127.0.0.1:6379/0"):
        source.write_text(source_text("127.0.0.1:9", "http://127.0.0.1:9", redis_url))
        command = Command("check-1", ["check", str(source)], dict(os.environ), tmp_path / "check.log")
        command.finish()
        assert command.process.returncode == 0, (tmp_path / "check.log").read_text()


@pytest.mark.slow
def test_a_command_ended_when_it_ended_and_not_when_somebody_looks(tmp_path):
    command = Command("host-a-1", ["--version"], dict(os.environ), tmp_path / "log")
    command.process.wait()
    time.sleep(2)
    command.finish()
    assert command.ended_ms < time.time() * 1000 - 1_000


def test_books_are_read_from_log_lines_and_from_the_closing_summary(tmp_path):
    command = Command("host-a-1", ["--version"], dict(os.environ), tmp_path / "log")
    command._note(
        '{"time": "t", "level": "info", "message": "m", "books": {"read": 3, "reported": 1, "duplicate": 0, "filtered": 1, "dead_lettered": 0, "in_flight": 1, "returned": 0, "x": 9}}',
        1,
    )
    command._note('{"time": "t", "level": "warning", "message": "a warning"}', 2)
    command._note(
        '{"time": "t", "level": "info", "event": "stop", "message": "soak: the books of this run", "books": {"read": 1010, "reported": 910, "duplicate": 50, "filtered": 45, "dead_lettered": 5, "in_flight": 0, "returned": 0}}',
        3,
    )
    command.finish()
    line, closing = command.printed
    assert line.books == {
        "read": 3,
        "reported": 1,
        "duplicate": 0,
        "filtered": 1,
        "dead_lettered": 0,
        "in_flight": 1,
        "returned": 0,
    }
    assert closing.is_closing
    assert closing.books == {
        "read": 1_010,
        "reported": 910,
        "duplicate": 50,
        "filtered": 45,
        "dead_lettered": 5,
        "in_flight": 0,
        "returned": 0,
    }
    assert [each.text for each in command.warnings] == ["a warning"]
