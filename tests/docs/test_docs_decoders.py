"""What docs/decoders.md says of shippers and of Debezium holds: each record, decoded as the page says, has the fields that it names, and `init` finds the way."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from pipeline.authoring.infer.format import guess_format
from pipeline.config.load import load_source
from pipeline.decode import DecodeLimits, DecodeSettings, build_chain
from pipeline.runtime.build_converter import build_converter
from schemas.log import RawRecord
from tests.support.paths import ROOT
from transforms.mapping.scope import Scope
from transforms.mapping.values import compile_value
from transforms.testing import entry

PAGE = (ROOT / "docs" / "decoders.md").read_text(encoding="utf-8")
SHIPPERS = PAGE.partition("### What log shippers put around a line")[2].partition("\n## ")[0]
SHIPPED = re.findall(
    r"\*\*(.*?)\*\*.*?```(?:json|text)\n(.*?)\n```\n+```yaml\n(.*?)```\n+(.*?)\n\n", SHIPPERS, re.DOTALL
)


def chain(decode):
    return build_chain(TypeAdapter(DecodeSettings).validate_python(decode), DecodeLimits())


def steps(text):
    return YAML(typ="safe").load(text)["decode"]


def test_every_shipper_has_an_example():
    assert [name for name, *_ in SHIPPED] == ["Filebeat", "Fluent Bit and Fluentd", "Vector", "Logstash", "Docker's json-file", "Kubernetes' container runtimes"]  # fmt: skip


@pytest.mark.parametrize(("name", "record", "decode", "fields"), SHIPPED, ids=[each[0] for each in SHIPPED])
def test_the_fields_are_those_that_the_page_names(name, record, decode, fields):
    found = entry(chain(steps(decode))(record.encode()))
    named = re.findall(r"`(\$[^`]+)` is `([^`]+)`", fields)
    assert len(named) >= 3
    for path, value in named:
        assert compile_value(path, Scope())(found) == json.loads(value), path


@pytest.mark.parametrize(("name", "record", "decode", "fields"), SHIPPED, ids=[each[0] for each in SHIPPED])
def test_init_finds_the_steps(name, record, decode, fields):
    guess = guess_format([record.encode()] * 20)
    wanted = [{"format": each} if isinstance(each, str) else each for each in steps(decode)][:2]
    assert [each["format"] for each in guess.steps] == [each["format"] for each in wanted]
    assert guess.steps[1]["from"] == wanted[1]["from"]
    assert {name: each for name, each in guess.steps[1].items() if name in {"layout", "log_format"}} == {
        name: each for name, each in wanted[1].items() if name in {"layout", "log_format"}
    }


def test_the_mapping_of_change_events_sees_what_has_just_become_so(tmp_path):
    section = PAGE.partition("\n## debezium\n")[2].partition("\n## ")[0]
    path = tmp_path / "orders.yaml"
    rest = 'source: orders\nkafka: {bootstrap_servers: "localhost:9092", topics: [t]}\nreport: {region: cn-shanghai, organization_id: a, access_id: b}\n'
    path.write_text(rest + section.partition("```yaml\n")[2].partition("```")[0])
    convert = build_converter(load_source(path, {}), {})

    def answer(op, before, after):
        row = {"user_id": "u", "order_no": "A1", "amount": 5, "paid_at": 1_794_326_400_000}
        sides = {
            name: None if status is None else {**row, "status": status}
            for name, status in (("before", before), ("after", after))
        }
        event = {"op": op, "source": {"table": "orders"}, **sides}
        return convert(RawRecord("t", 0, 0, -1, None, json.dumps(event).encode())).messages

    assert len(answer("u", "new", "paid")) == 1
    assert len(answer("c", None, "paid")) == 1
    for other in (("u", "paid", "paid"), ("u", "new", "sent"), ("r", None, "paid"), ("d", "paid", None)):
        assert not answer(*other), other
