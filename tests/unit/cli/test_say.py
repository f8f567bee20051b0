"""The output of the commands cannot be forged: a name or a reason from outside stays within its line, and is no command to a terminal."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli import main as command
from pipeline.cli.check import check
from pipeline.cli.plugins import plugins
from pipeline.cli.say import say, say_lines
from pipeline.control_characters import escaped, one_line
from pipeline.dead_letters.headers import DeadLetterHeader, DeadLetterHeaders
from pipeline.errors import DestinationHalt, RegistryUnavailable, UsageError
from pipeline.job.attempts import AnswerClass, Attempts, CallAnswer
from pipeline.job.books import Books
from pipeline.job.flow.state import FlowState, Slowed
from pipeline.job.status import Status
from pipeline.observe.console import output
from pipeline.observe.log_lines import JsonLines, PlainLines
from pipeline.observe.progress import Progress
from pipeline.observe.summary import summary
from pipeline.runtime.supervisor import Supervisor
from pipeline.runtime.supervisor_pipe import WorkerMessage
from schemas.log import RawRecord
from schemas.refusal import ReasonCode, Refusal, Stage
from tests.support.good_files import GOOD_SOURCE
from transforms.base import Kind

FORGED = "x\n2026-11-29T00:00:00.000Z INFO log2mq.run: all is well\r\x1b[2K\x1b]0;title\x07\x9b31m\u202egnp\u2066\u200f\u061c\u2028\x85"
ANY = st.text(st.characters(), max_size=60)


def is_harmless(text):
    """Whether a text has no character that a terminal or an editor obeys, and no line end."""
    return text == one_line(text) and len(text.splitlines()) <= 1


@given(ANY)
def test_a_text_is_one_line_and_can_be_read_back(text):
    shown = one_line(text)
    assert shown.isprintable() or "\t" in shown or any(not each.isprintable() for each in text)
    assert is_harmless(shown)
    assert one_line(shown) == shown
    if "\\" not in text and '"' not in text:
        assert json.loads(f'"{shown}"', strict=False) == text


@given(ANY)
def test_a_block_keeps_its_line_ends_and_nothing_else(text):
    assert escaped(text).split("\n") == [one_line(each) for each in text.split("\n")]


@given(ANY)
def test_a_sentence_is_one_line(text):
    out = io.StringIO()
    old, sys.stdout = sys.stdout, out
    try:
        say(text, bold=True)
        say_lines(text)
    finally:
        sys.stdout = old
    first, *rest = out.getvalue().removesuffix("\n").split("\n")
    assert first == one_line(text)
    assert rest == [one_line(each) for each in text.split("\n")]


@given(ANY)
def test_a_log_line_is_one_line(text):
    record = logging.LogRecord("log2mq.x", logging.INFO, "", 0, "%s", (text,), None)
    assert is_harmless(PlainLines().format(record))
    line = JsonLines().format(record)
    assert is_harmless(line)
    assert json.loads(line)["logger"] == "log2mq.x"


@given(ANY)
def test_a_header_of_a_dead_letter_is_one_line(text):
    record = RawRecord("t", 0, 0, -1, None, b"")
    refusal = Refusal(Stage.TRANSFORM, ReasonCode.PLUGIN_RAISED, text, api_code=text, request_id=text, trace_id=text)
    headers = dict(DeadLetterHeaders("shop", lambda: 0)(record, refusal))
    assert all(is_harmless(value.decode()) for value in headers.values())
    assert headers.get(DeadLetterHeader.REASON_TEXT, b"").decode() == one_line(text)


@pytest.mark.parametrize("error", [UsageError(FORGED), RegistryUnavailable(FORGED), DestinationHalt(FORGED)])
def test_an_error_that_names_a_thing_from_outside_is_one_line(monkeypatch, capsys, error):
    def fail(**_):
        raise error

    monkeypatch.setattr(command.cli, "main", fail)
    assert command.run_command() == error.exit_code
    said = capsys.readouterr().err
    assert said == f"log2mq: {one_line(FORGED)}\n"


def test_each_fault_of_a_file_is_a_line_of_its_own(monkeypatch, capsys):
    def fail(**_):
        raise UsageError("one", FORGED, "three")

    monkeypatch.setattr(command.cli, "main", fail)
    command.run_command()
    assert capsys.readouterr().err == f"log2mq: one\nlog2mq: {one_line(FORGED)}\nlog2mq: three\n"


def end_with_an_error(_slot, pipe):
    pipe.send(WorkerMessage(None, 10, f"one\n{one_line(FORGED)}"))


@pytest.mark.slow
def test_an_error_of_a_worker_has_the_same_lines():
    supervisor = Supervisor(end_with_an_error, 1, lambda _: None, lambda _: None)
    with pytest.raises(Exception, match="one") as error:
        supervisor.run()
    assert error.value.lines == ("one", one_line(FORGED))


def test_what_check_prints_of_a_file_cannot_be_forged(tmp_path):
    """Names of fragments, tables and rules are the author's own, and an author may have copied them from anywhere."""
    path = tmp_path / f"shop{FORGED[:3]}.yaml".replace("\n", "\n")
    name = json.dumps(FORGED)
    text = GOOD_SOURCE + f"fragments: {{{name}: {{}}}}\ndedup: {{keep: 1h}}\n"
    path.write_text(text, encoding="utf-8")
    said = CliRunner().invoke(check, [str(path)]).output
    assert "adds nothing to any rule" in said
    assert all(each == one_line(each) for each in said.splitlines())
    assert "all is well\\r" in said
    assert len([line for line in said.splitlines() if line.startswith("2026-11-29")]) == 0


def test_what_a_plug_in_says_of_itself_cannot_be_forged(tmp_path):
    path = tmp_path / "plug.py"
    escapes = json.dumps(FORGED)
    path.write_text(
        "from pydantic import BaseModel, Field\n"
        f"class Options(BaseModel):\n    a: int = Field(default=1, description={escapes})\n"
        "def make(options: Options): pass\n"
        f"make.__doc__ = {escapes}\n",
        encoding="utf-8",
    )
    said = CliRunner().invoke(plugins, ["--file", str(path)]).output
    assert "default 1" in said
    assert all(each == one_line(each) for each in said.split("\n"))
    assert not [line for line in said.split("\n") if line.startswith("2026-11-29")]


def test_an_error_of_a_plug_in_cannot_be_forged(tmp_path):
    path = tmp_path / "plug.py"
    path.write_text(f"raise ValueError({json.dumps(FORGED)})\n", encoding="utf-8")
    result = CliRunner().invoke(plugins, ["--file", str(path)])
    assert isinstance(result.exception, UsageError)
    assert len(result.exception.lines) == 1


def test_the_closing_summary_and_the_live_line_cannot_be_forged(capsys):
    status = Status(
        0,
        {},
        attempts=Attempts(calls=1, answers={CallAnswer(Kind.EVENT, AnswerClass.AWAY, FORGED): 1}, last_failure=FORGED),
        warnings={("code", FORGED): 1},
        held=FORGED,
        flows=(FlowState(Kind.EVENT, why=Slowed.AWAY, code=FORGED, until_ms=1, held_ms={Slowed.AWAY: 5_000}),),
    )
    output().print(summary(FORGED, status))
    said = capsys.readouterr().out
    assert said == escaped(said)
    assert not [line for line in said.split("\n") if line.startswith("2026-11-29")]
    line = Progress(output(), live=False).line(status)
    assert is_harmless(line)


def test_a_table_for_a_terminal_has_no_commands_to_it(capsys):
    output().print(f"a{FORGED}", Books().as_dict())
    said = capsys.readouterr().out
    assert said == escaped(said)
    assert "\\u001b[2K" in said
