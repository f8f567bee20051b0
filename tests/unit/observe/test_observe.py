"""The output while the job runs and at its end: progress lines, the summary, and text without identifiers."""

from __future__ import annotations

import io
import logging
import re
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Partition
from pipeline.job.attempts import AnswerClass, Attempts, CallAnswer
from pipeline.job.books import Books
from pipeline.job.flow.state import FlowState, Slowed
from pipeline.job.hold import Hold
from pipeline.job.status import Status
from pipeline.observe.log_lines import QUIET, set_up_logging
from pipeline.observe.progress import PLAIN_EVERY_S, Progress
from pipeline.observe.redact import MOST_CHARACTERS, holds_identifier, redact
from pipeline.observe.summary import merge, summary
from transforms.base import Kind

ONE, TWO = Partition("log", 0), Partition("log", 1)

THROTTLED = CallAnswer(Kind.EVENT, AnswerClass.THROTTLED, "Throttling")


def status(read=0, reported=0, **more):
    return Status(1_000, {ONE: Books(read=read, reported=reported, in_flight=read - reported)}, **more)


class Seconds:
    now = 100.0

    def __call__(self):
        return self.now


def progress(**more):
    clock = Seconds()
    return Progress(Console(file=io.StringIO()), live=False, clock=clock, **more), clock


def test_a_line_has_the_figures_the_rate_and_the_lag():
    shown, clock = progress()
    clock.now += 2
    snapshot = status(read=3_000, reported=2_900, lag={ONE: 5_000, TWO: 1})
    shown.show(snapshot)
    line = shown.line(snapshot)
    for part in ("read 3,000 (1,500/s)", "reported 2,900", "in flight 100", "lag 5,001"):
        assert part in line


def test_a_line_of_a_replay_has_what_is_left_and_about_how_long():
    shown, clock = progress(remaining=lambda: 150_000)
    clock.now += 1
    snapshot = status(read=1_000)
    assert shown.line(snapshot).endswith("to go 150,000")
    shown.show(snapshot)
    assert shown.line(snapshot).endswith("to go 150,000 (about 2 min 30 s)")


def test_a_line_says_what_the_job_waits_for():
    shown, _ = progress()
    line = shown.line(
        status(
            attempts=Attempts(last_failure="ServiceUnavailable: away"),
            flows=(FlowState(Kind.EVENT, why=Slowed.AWAY, code="ServiceUnavailable", until_ms=6_000),),
            waiting_elsewhere=7,
            stopping=True,
        )
    )
    assert "events: Quick Audience is away (ServiceUnavailable), next try in 5 s" in line
    assert "waiting for another worker 7" in line
    assert line.endswith("stopping")


def test_a_line_says_what_is_held_and_until_when():
    shown, _ = progress()
    few = Hold(Kind.EVENT, 2, "ES0999", 1_000, 901_000, is_outage=False)
    many = Hold(Kind.USER, 1_200, "InternalError", 1_000, None, is_outage=True)
    line = shown.line(merge([status(holds=(few,)), status(holds=(many,))]))
    assert "2 events refused with ES0999, no other accepted since; held for 900 s more, then dead-lettered" in line
    assert "1,200 user messages refused with InternalError, no other accepted since; held until one is accepted" in line
    assert "held" not in shown.line(status(holds=(few,)).former())


def test_a_line_says_how_many_partitions_are_paused_and_why():
    shown, _ = progress()
    first = {PauseReason.UNFINISHED: 2, PauseReason.IN_FLIGHT: 3, PauseReason.ENDING: 3, PauseReason.UNDECODABLE: 1}
    line = shown.line(merge([status(paused=first), status(paused={PauseReason.UNFINISHED: 1})]))
    assert "paused partitions: 3 (limits.unfinished is reached), 3 (limits.in_flight is reached)" in line
    assert line.count("paused") == 1
    assert "paused" not in shown.line(status(paused=first).former())


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"why": None}, ""),
        (
            {"why": Slowed.ASKED, "code": "Throttling.User", "until_ms": 31_000},
            "events: paused for 30 s, as Quick Audience asks (Throttling.User)",
        ),
        (
            {"why": Slowed.THROTTLED, "code": "Throttling.User", "rate": 89.6},
            "events: 90 calls a second, since Quick Audience throttles (Throttling.User)",
        ),
        (
            {"why": Slowed.THROTTLED, "code": "Throttling", "rate": 0.21},
            "events: 0.2 calls a second, since Quick Audience throttles (Throttling)",
        ),
        (
            {"why": Slowed.LOSS, "limit": 3, "most": 16, "code": "ReadTimeout"},
            "events: 3 of 16 calls at the same time, since answers were lost (ReadTimeout)",
        ),
        ({"why": Slowed.LIMIT, "settings": "report.flow.calls"}, "events: as fast as report.flow.calls allows"),
        (
            {"why": Slowed.LATENCY, "limit": 4, "most": 16, "slow_ms": 1_850, "usual_ms": 120},
            "events: 4 of 16 calls at the same time, since with more a call took 1,850 ms instead of 120 ms",
        ),
        (
            {"why": Slowed.RECOVERING, "limit": 2, "most": 16},
            "events: 2 of 16 calls at the same time, and more with each answer",
        ),
    ],
)
def test_a_line_says_in_plain_words_what_slows_an_operation_down(state, said):
    shown, _ = progress()
    flow = FlowState(Kind.EVENT, **state)
    assert flow.line(1_000) == said
    assert shown.line(status(flows=(flow,))) == " · ".join(filter(None, [shown.line(status()), said]))


def test_the_summary_says_for_how_long_and_why_calls_had_to_wait():
    console = Console(file=io.StringIO(), width=200)
    slowed = FlowState(
        Kind.USER,
        most=16,
        lowest=3,
        lowest_rate=45.4,
        held_ms={Slowed.AWAY: 3_600_000, Slowed.THROTTLED: 12_400, Slowed.LATENCY: 900},
    )
    console.print(summary("shop", merge([status(read=10, flows=(FlowState(Kind.EVENT, most=16, lowest=16), slowed))])))
    shown = console.file.getvalue()
    assert (
        "users waited 3,600 s (the API was away), 12 s (it throttled calls); down to 3 of 16 calls at the same time; down to 45 calls a second"
        in shown
    )
    assert "events waited" not in shown


def test_plain_lines_come_now_and_then_with_the_books(caplog):
    shown, clock = progress()
    with caplog.at_level(logging.INFO, "log2mq.progress"), shown:
        for _ in range(4 * int(PLAIN_EVERY_S)):
            clock.now += 0.5
            shown.show(status(read=10, reported=10))
    assert len(caplog.records) == 2
    assert caplog.records[0].fields["books"]["read"] == 10


@pytest.fixture
def logs_as_before():
    """Restore the logging of the process after the test."""
    hook = threading.excepthook
    loggers = [logging.getLogger(name) for name in (None, "log2mq", *QUIET)]
    levels, handlers = [each.level for each in loggers], logging.getLogger().handlers[:]
    yield
    threading.excepthook = hook
    logging.getLogger().handlers[:] = handlers
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def test_log_lines_stand_above_the_live_line(capsys, logs_as_before):
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    set_up_logging("text", "info")  # before the live line exists, as the commands do
    with Progress(console, live=True) as shown:
        shown.show(status(read=5, reported=5))
        logging.getLogger("log2mq.kafka").warning("reading fails [red](Some)[/red]")
        shown.show(status(read=6, reported=6))
    drawn = console.file.getvalue()
    line = re.search(
        r"(?:\n|\r|\x1b\[2K)\d{4}-\S+Z WARNING log2mq\.kafka: reading fails \[red\]\(Some\)\[/red\]\n", drawn
    )
    assert line, repr(drawn)
    assert "read 5 " in drawn[: line.start()]
    assert "read 6 " in drawn[line.end() :]
    logging.getLogger("log2mq.kafka").warning("and below it when it has gone")
    assert "and below it" in capsys.readouterr().err


def test_a_thread_that_ends_by_an_error_logs_its_class_only(capsys, logs_as_before):
    """Before the mend Python printed the error's text with its traceback."""
    set_up_logging("text", "info")
    broken = threading.Thread(target={}.pop, args=("13812345678",), name="sender-1")
    broken.start()
    broken.join()
    (line,) = capsys.readouterr().err.splitlines()
    assert "ERROR log2mq: the thread sender-1 ended by a fault in log2mq itself (KeyError)." in line


def test_the_snapshots_of_several_processes_add_up():
    one = status(read=10, reported=8, lag={ONE: 3}, attempts=Attempts(calls=2, answers={THROTTLED: 1}), stalls=1)
    one = replace(one, flows=(FlowState(Kind.EVENT, sending=3, limit=16, most=16),))
    other = Status(
        2_000,
        {ONE: Books(read=5, reported=5), TWO: Books(read=1, filtered=1)},
        attempts=Attempts(calls=3, retries=1, answers={THROTTLED: 2}),
        flows=(FlowState(Kind.EVENT, sending=2, limit=4, most=16, why=Slowed.LATENCY, slow_ms=900, usual_ms=90),),
        stalls=2,
    )
    both = merge([one, other])
    assert (both.total.read, both.total.reported, both.total.filtered, both.total.in_flight) == (16, 13, 1, 2)
    both.total.check()
    assert both.attempts == Attempts(calls=5, retries=1, answers={THROTTLED: 3})
    assert both.attempts.codes == {"Throttling": 3}
    assert (both.at_ms, both.lag) == (2_000, {ONE: 3})
    [flow] = both.flows
    assert (flow.sending, flow.limit, flow.most, flow.why) == (5, 20, 32, Slowed.LATENCY)
    assert both.stalls == 3
    assert merge([]).total == Books()


@pytest.mark.parametrize("would", [False, True])
def test_the_summary_has_a_row_a_partition_and_a_total(would):
    console = Console(file=io.StringIO(), width=100)
    snapshot = merge([status(read=10, reported=10), Status(1, {TWO: Books(read=2_000, filtered=2_000)})])
    console.print(summary("shop", snapshot, would=would))
    shown = console.file.getvalue()
    assert [line.split()[0] for line in shown.splitlines() if line.startswith(("log:", "all"))] == [
        "log:0",
        "log:1",
        "all",
    ]
    assert "2,010" in shown
    assert ("events would be reported" in shown, "calls" in shown) == (would, not would)
    assert "stood still" not in shown


def test_the_summary_says_how_many_events_were_redelivered():
    console = Console(file=io.StringIO(), width=100)
    books = Books(read=10, duplicate=10, events_duplicate=10, events_redelivered=7)
    console.print(summary("shop", Status(1_000, {ONE: books})))
    assert "already reported 10 (of these redelivered 7)" in console.file.getvalue()


def test_the_summary_says_how_often_partitions_stood_still():
    console = Console(file=io.StringIO(), width=100)
    console.print(summary("shop", status(read=10, reported=10, stalls=1_200)))
    assert "partitions that stood still and were read again: 1,200 times, see the log" in console.file.getvalue()


@pytest.mark.parametrize(
    "identifier",
    [
        "13800138000",
        "+8613800138000",
        "008613800138000",
        "li.lei+a@mail.example.com.cn",
        "LTAI5tExampleExample00",
        "o6_bmjrPTlm6_2sgVt7hMZOPfL2M",
    ],
)
def test_identifiers_and_keys_are_masked(identifier):
    assert redact(f"user {identifier}, order 20260101000000001") == "user ***, order 20260101000000001"


def test_figures_and_offsets_are_left_alone():
    line = "read 1,000 · shop-app-log:3 · 1700000000000 ms · 0.13800138000"
    assert redact(line) == line


@given(st.integers(0, (1 << 128) - 1))
def test_a_random_id_in_hexadecimal_is_no_identifier_of_a_person(number):
    text = f"{number:032x}"
    assert not holds_identifier(f"f{text[1:17]}")
    assert not holds_identifier(f"trace=a{text} span={text[:16]}f")


@pytest.mark.parametrize(
    "text",
    [
        "call 13800138000",
        "电话13800138000",
        "+8613800138000",
        "a1b2c3d4e5f6@mail.example.com",
        "oabcdef0123456_abcdef0123456",
        "6e58f18453460742 of 18453460742",
    ],
)
def test_an_identifier_among_other_text_is_one(text):
    assert holds_identifier(text)


@given(st.text(alphabet="a@.138 86+LTAI", max_size=300))
def test_masking_twice_is_masking_once(text):
    assert redact(redact(text)) == redact(text)


def test_a_long_text_is_cut():
    assert len(redact("x" * 10 * MOST_CHARACTERS)) == MOST_CHARACTERS
