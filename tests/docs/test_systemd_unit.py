"""The unit for systemd starts commands that there are, gives a stop its time, and does not restart what a person must correct."""

from __future__ import annotations

import re
import shutil
import subprocess

import click
import pytest

from pipeline import errors
from pipeline.cli.main import cli
from pipeline.config.sections import StopSettings
from pipeline.contracts.deadline import MARGIN_MS
from tests.support.paths import ROOT

UNIT = ROOT / "deploy" / "systemd" / "log2mq@.service"
TEXT = UNIT.read_text(encoding="utf-8")
SETTINGS = dict(re.findall(r"^([A-Z]\w+)=(.*)$", TEXT, re.MULTILINE))


@pytest.mark.parametrize("key", ["ExecStart", "ExecStartPre"])
def test_its_commands_parse(key):
    program, verb, *rest = SETTINGS[key].split()
    assert program.endswith("/log2mq")
    command = cli.get_command(click.Context(cli), verb)
    assert command.make_context(verb, rest)


def test_a_stop_has_more_time_than_its_grace_and_its_last_steps():
    assert int(SETTINGS["TimeoutStopSec"]) * 1_000 > StopSettings().grace + 2 * MARGIN_MS
    assert SETTINGS["KillMode"] == "mixed"  # SIGTERM reaches the supervisor alone


def test_what_a_person_must_correct_is_not_started_again():
    codes = {errors.UsageError.exit_code, errors.DestinationHalt.exit_code, errors.TooManyDeadLetters.exit_code}
    assert {int(code) for code in SETTINGS["RestartPreventExitStatus"].split()} == codes
    assert int(SETTINGS["SuccessExitStatus"]) == errors.WorkUnfinished.exit_code
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "After 2, 4 and 7 a person must correct something first" in page


def test_the_store_is_where_the_unit_may_write():
    assert SETTINGS["Environment"] == "XDG_STATE_HOME=/var/lib"
    assert SETTINGS["StateDirectory"] == "log2mq"
    assert SETTINGS["ProtectSystem"] == "strict"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_every_line():
    done = subprocess.run(["systemd-analyze", "verify", str(UNIT)], capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "is not executable" not in line]
    assert not [line for line in lines if "log2mq@" in line]
