"""Every example of docs/mapping.md that is no function (those are in test_docs_mapping) does what the page says."""

from __future__ import annotations

import json
import re

import pytest
from ruamel.yaml import YAML

from schemas.refusal import Refusal
from tests.support.paths import ROOT
from transforms.mapping import MappingSettings, compile_mapping
from transforms.mapping.comparisons import OPERATORS
from transforms.mapping.conditions import COMBINED
from transforms.mapping.scope import Scope
from transforms.mapping.values import compile_value
from transforms.testing import entry

PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
RULE = {"event_code": "e", "event_time": "$.ts", "customer_id": "$.user", "out_biz_id": "$.no"}
FIELDS = {"ts": 1_794_326_400_000, "user": "u", "no": "n"}


def rows(heading, columns):
    """The rows of a section's tables that have so many cells, without their backquotes."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    for line in section.splitlines():
        cells = [each.strip() for each in line.replace("\\|", "\0").strip("|").split("|")]
        if line.startswith("|") and len(cells) == columns and cells[0].startswith("`"):
            yield [each.replace("\0", "|").strip("`") for each in cells]


PATHS = list(rows("Values", 5))
CONDITIONS = list(rows("Conditions", 4))
TIMES = list(rows("Times", 2))


def test_the_tables_are_found():
    assert (len(PATHS), len(CONDITIONS), len(TIMES)) == (9, 19, 11)


@pytest.mark.parametrize(("path", "_is", "example", "of", "gives"), PATHS)
def test_the_example_of_each_path_holds(path, _is, example, of, gives):
    written = YAML(typ="safe").load(example) if example.startswith("{first_of") else example
    found = compile_value(written, Scope())(entry(json.loads(of)))
    assert json.dumps(found) == json.dumps(json.loads(gives))


@pytest.mark.parametrize(("condition", "_holds", "yes", "no"), CONDITIONS, ids=[row[0] for row in CONDITIONS])
def test_the_example_of_each_condition_holds(condition, _holds, yes, no):
    when = YAML(typ="safe").load(condition)
    mapper = compile_mapping(MappingSettings.model_validate({"events": [{**RULE, "when": when}]}))
    assert mapper.explain(entry({**FIELDS, **json.loads(yes)}))[0].matched
    assert not mapper.explain(entry({**FIELDS, **json.loads(no)}))[0].matched


def test_every_form_of_condition_has_an_example():
    written = " ".join(row[0] for row in CONDITIONS)
    for word in {*OPERATORS, *COMBINED} - {"lt"}:  # named beside gt
        assert re.search(rf"\b{word}:", written), word


@pytest.mark.parametrize(("written", "gives"), TIMES)
def test_the_example_of_each_time_holds(written, gives):
    answer = compile_mapping(MappingSettings.model_validate({"events": [RULE]}))(
        entry({**FIELDS, "ts": json.loads(written)})
    )
    assert (answer.code if isinstance(answer, Refusal) else str(answer[0].wire["eventTime"])) == gives
