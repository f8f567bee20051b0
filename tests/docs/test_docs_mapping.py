"""Every example of docs/mapping.md does what the page says, and every function has one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.config.load import load_source
from pipeline.yaml_text.yaml_file import parse_yaml
from schemas.attribute import attribute_string
from tests.support.paths import ROOT
from transforms.mapping.conditions import OPERATORS
from transforms.mapping.functions import FUNCTIONS
from transforms.mapping.scope import Scope
from transforms.mapping.values import compile_value
from transforms.testing import entry

PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
KNOWN = Scope({"level": {"1": "silver", "2": "gold"}}, {"crm": b"secret"})


def rows():
    section = PAGE.partition("## Functions")[2].partition("## Conditions")[0]
    for line in section.splitlines():
        if line.startswith("| `$"):
            cells = [each.strip() for each in line.replace("\\|", "\0").strip("|").split("|")]
            yield [each.replace("\0", "|").strip("`") for each in cells[:3]]


@pytest.mark.parametrize(("expression", "of", "gives"), list(rows()), ids=lambda each: each)
def test_the_example_of_each_function_holds(expression, of, gives):
    found = compile_value(expression, KNOWN)(entry({"v": json.loads(of)}))
    wanted = json.loads(gives)
    assert attribute_string(found) == attribute_string(wanted)


def tasks():
    section = PAGE.partition("### Common tasks")[2].partition("### Tables")[0]
    for line in section.splitlines():
        cells = [each.strip() for each in line.replace("\\|", "\0").strip("|").split("|")]
        if len(cells) == 4 and cells[1].startswith("`"):
            yield [cells[0], *(each.replace("\0", "|").strip("`") for each in cells[1:])]


def test_the_tasks_are_found():
    assert len(list(tasks())) == 12


@pytest.mark.parametrize(("task", "written", "of", "gives"), list(tasks()), ids=lambda each: each)
def test_the_example_of_each_task_holds(task, written, of, gives):
    tables = parse_yaml(Path("page"), re.search(r"`(tables: \{state.*)`", PAGE)[1]).content["tables"]
    value = parse_yaml(Path("page"), f"v: {written}").content["v"] if written.startswith("{first_of") else written
    found = compile_value(value, Scope(tables, {"crm": b"secret"}))(entry(json.loads(of)))
    assert attribute_string(found) == attribute_string(json.loads(gives))


def test_every_function_has_an_example():
    named = {row[0].partition("| ")[2].partition("(")[0] for row in rows()}
    assert named == set(FUNCTIONS)


def test_every_comparison_is_named():
    section = PAGE.partition("## Conditions")[2]
    for name in OPERATORS:
        assert f"{name}" in section


def test_the_example_file_of_the_page_is_right(tmp_path):
    path = tmp_path / "example.yaml"
    path.write_text(PAGE.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    load_source(path, {})
