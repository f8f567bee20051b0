"""The page of logs names each event, with its level and fields as the code has them."""

from __future__ import annotations

import ast
import re

import pytest

from pipeline.contracts.log_events import LogEvent
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
ROWS = {row[1]: row[0] for row in re.finditer(r"^\| `([a-z_]+)` \| (?:info|warning|error) \|.*$", PAGE, re.MULTILINE)}
COMMON = {"source", "lasted_ms"}


def calls():
    """Every call that logs an event which is named in the code: the event, and the names of its fields."""
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"log_event", "announce"}
            ):
                events = [
                    each.attr
                    for each in ast.walk(node)
                    if isinstance(each, ast.Attribute) and ast.unparse(each.value) == "LogEvent"
                ]
                fields = {each.arg for each in node.keywords if each.arg not in {None, "level"}}
                for event in events:
                    yield LogEvent[event], fields


@pytest.mark.parametrize("event", LogEvent)
def test_every_event_is_explained(event):
    assert event.value in ROWS


def test_no_other_event_is_explained():
    assert set(ROWS) == {event.value for event in LogEvent}


def test_every_field_is_named():
    found = list(calls())
    assert len(found) > 20
    for event, fields in found:
        missing = {field for field in fields - COMMON if f"`{field}`" not in ROWS[event.value]}
        assert not missing, (event, missing)


def test_the_page_for_the_person_on_call_names_events_that_there_are():
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    named = {
        each
        for line in page.splitlines()
        if line.startswith("* Log:")
        for each in re.findall(r"`([a-z]+(?:_[a-z]+)*)`", line)
    }
    assert len(named) > 10
    assert named <= {event.value for event in LogEvent}


def test_the_page_for_the_person_on_call_has_commands_that_there_are():
    from pipeline.cli.main import COMMANDS

    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    verbs = {verb for of_one in COMMANDS.values() for verb in of_one}
    assert set(re.findall(r"^log2mq ([a-z-]+)", page, re.MULTILINE)) <= verbs
