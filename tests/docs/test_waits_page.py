"""The page of waits names each file that waits for something outside, and the limits that the code has."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from pipeline.contracts.deadline import MARGIN_MS, EndStep
from pipeline.runtime.supervisor import SPARE_MS
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "waits.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and re.search(r"`\w+/[\w/]+\.py`", line)
]
NAMED = {re.search(r"`([\w/]+\.py)`", row[1])[1] for row in ROWS}
LIMITS = [
    (re.search(r"`([\w/]+\.py)`", row[1])[1], name, float(number), unit)
    for row in ROWS
    for name, number, unit in re.findall(r"`([A-Z_]{4,})`(?: (\d+(?:\.\d+)?)(?: (ms|s)\b| times))", " | ".join(row))
]

WAITS = {"sleep", "wait", "recv", "select", "getaddrinfo", "flock", "lockf", "poll", "commit", "flush", "setitimer"}
"""Methods and functions that wait for something outside. `join` and `get` do where they are not those of a text or a mapping."""

PASSES_ON = {
    "pipeline/authoring": {"tap.py"},  # also has a wait of its own
    "pipeline/job": None,  # it does no I/O: its waits are those of its parts
    "pipeline/runtime": {"replay_job.py", "build.py"},
    "pipeline/emulator": None,  # the stand-ins serve until they are stopped
    "pipeline/kafka_io": {"group_coordinator.py", "source.py", "stall_recovery.py"},  # through `bounded_network`
}
"""Rooms, or files of a room, whose calls of these names go to a part that the page names."""


def path_of(named):
    inside = ROOT / "pipeline" / named
    return inside if inside.exists() else ROOT / named


def waits(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            of_a_thread = name == "join" and (not node.args or "limit" in ast.unparse(node).lower())
            of_a_queue = name == "get" and (not node.args)
            if "LOCK_NB" in ast.unparse(node):
                continue  # it does not wait
            if name in WAITS or of_a_thread or of_a_queue:
                yield node.lineno


def passes_on(path):
    files = PASSES_ON.get("/".join(path.relative_to(ROOT).parts[:2]), set())
    return files is None or path.name in files


def test_each_file_that_waits_is_named():
    files = [path for room in ("pipeline", "transforms") for path in sorted((ROOT / room).rglob("*.py"))]
    waiting = {path for path in files if not passes_on(path) and any(waits(path))}
    named = {path_of(each) for each in NAMED}
    assert {str(path.relative_to(ROOT)) for path in waiting - named} == set()


def test_each_file_that_is_named_exists():
    assert [each for each in sorted(NAMED) if not path_of(each).exists()] == []


@pytest.mark.parametrize(("file", "name", "number", "unit"), LIMITS, ids=[f"{each[0]}-{each[1]}" for each in LIMITS])
def test_a_limit_is_that_of_the_code(file, name, number, unit):
    module = importlib.import_module(str(path_of(file).relative_to(ROOT).with_suffix("")).replace("/", "."))
    value = getattr(module, name)
    in_ms = {"ms": number, "s": number * 1000, "": number}[unit]
    assert in_ms == (value if name.endswith("_MS") or not unit else value * 1000)


def test_the_steps_of_an_end_are_those_of_the_code():
    shares = {step.name.lower(): step.value for step in EndStep} | {"guard": (1.0, 1.0)}
    for name, (of_grace, of_margin) in shares.items():
        row = re.search(rf"^\| {name} \|.*\| (.*?) \|$", PAGE, re.MULTILINE)
        margin = f" + {MARGIN_MS * of_margin / 1000:g} s" if of_margin else ""
        assert row[1] == ("half of " if of_grace == 0.5 else "") + "`stop.grace`" + margin
    killed_s = (SPARE_MS + MARGIN_MS * EndStep.CLOSE.value[1]) / 1000
    assert f"has not ended {killed_s:g} s after `stop.grace`" in PAGE
    assert f"gone after `stop.grace` + {(SPARE_MS + MARGIN_MS) / 1000:g} s" in PAGE


def test_the_page_is_long_enough_to_be_the_list():
    assert len(ROWS) > 35
    assert len(LIMITS) > 20
    assert Path(ROOT / "docs" / "waits.md").name in (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
