"""The JSON Schemas: the shipped ones are up to date and describe every key; a file that loads is valid, and common mistakes are not."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field

from pipeline.authoring.cases.load import load_cases
from pipeline.authoring.infer.format import guess_format
from pipeline.authoring.infer.roles import find_candidates
from pipeline.authoring.infer.rule_writer import Place
from pipeline.authoring.infer.source_writer import write_source
from pipeline.catalogue.file import EMPTY, read_catalogue
from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.decode import DECODERS
from pipeline.editor_schema.json_schema import SCHEMAS, SchemaKind, built_schema, json_schema, shipped_schema
from pipeline.emulator.samples.generate import SampleKind, generate
from pipeline.errors import UsageError
from pipeline.setting_types.quantity import Duration, Share
from pipeline.yaml_text.yaml_file import read_yaml
from tests.support.good_files import GOOD_SOURCE
from tests.support.paths import ROOT

VALIDATORS = {kind: Draft202012Validator(json.loads(shipped_schema(kind))) for kind in SCHEMAS}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_shipped_schema_is_the_one_that_is_made_now(kind):
    Draft202012Validator.check_schema(json.loads(shipped_schema(kind)))
    assert shipped_schema(kind) == built_schema(kind), "make schemas"


def test_the_command_prints_it_and_knows_its_kinds():
    for kind in ("source", "catalogue", "test"):
        assert CliRunner().invoke(cli, ["schema", kind], standalone_mode=False).output == shipped_schema(kind)
    refused = CliRunner().invoke(cli, ["schema", "sauce"])
    assert refused.exit_code == 2
    assert "'sauce' is not" in refused.output


class Job(BaseModel):
    """One job."""

    model_config = ConfigDict(extra="forbid")
    wait: Annotated[
        Duration,
        Field(ge=1_000, description="How long it [waits](x.md).", json_schema_extra={"default_text": "as `run`"}),
    ] = 5_000
    run: Annotated[Duration | None, Field(le=60_000, description="How long it runs.")] = None
    rest: Annotated[Duration, Field(ge=1_000, description="How long it rests.")] = 5_000
    kind: Annotated[Literal["a", "b"], Field(description="`a` or `a | b`.")] = "a"
    share: Annotated[Share, Field(description="How much of it.")] = 0.05


class Jobs(BaseModel):
    """All jobs."""

    model_config = ConfigDict(extra="forbid")
    jobs: Annotated[list[Job], Field(description="All jobs.")]
    first: Job | None = None


def test_another_kind_of_file_is_a_row_more():
    made = json_schema(SchemaKind(Jobs, "Jobs"))
    assert made["properties"]["jobs"]["description"] == "All jobs."
    job = made["$defs"]["Job"]["properties"]
    assert job["kind"] == {"enum": ["a", "b"], "type": "string", "default": "a", "description": "`a` or `a | b`."}
    assert (job["rest"]["default"], job["rest"]["description"]) == ("5s", "How long it rests. (at least 1s)")
    assert "default" not in job["wait"]
    assert job["wait"]["description"] == "How long it waits. (at least 1s) Default: as `run`."
    valid = Draft202012Validator(made).is_valid
    assert valid({"jobs": [{"wait": "2s", "kind": "b"}]})
    assert not valid({"jobs": [{"wait": 2}]})
    assert not valid({"jobs": [{"kind": "${KIND}"}]})
    assert Draft202012Validator(json_schema(SchemaKind(Jobs, "Jobs", variables=True))).is_valid(
        {"jobs": [{"kind": "${KIND}"}]}
    )


def properties(schema, at=""):
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties":
                for key, each in value.items():
                    yield f"{at}.{key}", each
                    yield from properties(each, f"{at}.{key}")
            elif name != "if":  # a condition, not a requirement
                yield from properties(value, f"{at}.{name}")
    elif isinstance(schema, list):
        for place, value in enumerate(schema):
            yield from properties(value, f"{at}[{place}]")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_key_is_described_and_none_takes_just_anything(kind):
    schema = json.loads(shipped_schema(kind))
    for place, each in properties(schema):
        named = [
            schema["$defs"].get(one.get("$ref", "").rpartition("/")[2], {}) for one in (each, *each.get("anyOf", ()))
        ]
        assert each.get("description") or any(one.get("description") for one in named), place
        assert set(each) - {"description", "default"}, place
        assert "[" not in each.get("description", "") or "](" not in each["description"], place


def faults(text, tmp_path, kind="source"):
    path = tmp_path / f"{kind}.yaml"
    path.write_text(text, encoding="utf-8")
    return [f"{each.json_path}: {each.message}" for each in VALIDATORS[kind].iter_errors(read_yaml(path).content)]


def right():
    for path in sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]):
        for place, block in enumerate(
            re.findall(r"```yaml\n(source:.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
        ):
            yield pytest.param(block, id=f"{path.name}-{place}")
    for kind in SampleKind:
        values = [line.value for line in generate(kind, 300, 1)]
        guess = guess_format(values)
        text = write_source(
            Place("shop", "log", {"bootstrap_servers": "localhost:9092"}),
            guess,
            find_candidates(guess.entries),
            len(values),
        )
        yield pytest.param(text, id=f"init-{kind.value}")


@pytest.mark.parametrize("text", list(right()))
def test_every_source_file_in_docs_and_what_init_writes_is_valid(text, tmp_path):
    assert faults(text, tmp_path) == []


DECODE = [
    "{format: avro, registry: {url: 'http://localhost:8081', username: u, password: {env: P}, cache: 10, unknown_after: 1s}, encoding: confluent}",
    "{format: avro, registry: ['https://a.example', 'https://b.example/path']}",
    "{format: avro, registry: {url: ['https://a.example', 'https://b.example']}}",
    "{format: avro, encoding: container}",
    "{format: connect, types: {amount: decimal(2)}, timestamps: local}",
    "{format: debezium, operations: [c, d], envelope: change}",
]


@pytest.mark.parametrize("decode", DECODE)
def test_whatever_a_decoder_takes_is_valid(decode, tmp_path):
    assert faults(GOOD_SOURCE.replace("decode: json", f"decode: {decode}"), tmp_path) == []
    load_source(tmp_path / "source.yaml", {})


MORE = [
    "dedup: {keep: 1h30m, max_size: 4096, url: '${URL}', store: '${STORE:-redis}'}",
    "dedup: {keep: '${KEEP:-7d}', lease: 15s, scope: [organization, '${SCOPE:-customer}']}",
    "dead_letters: {stop_above: 0.05, window: '${WINDOW:-1000}'}",
    "limits: {record: 1.5MiB, in_flight: 64 MB, depth: 20}",
    "users: [{customer_id: $.u, identities: {mobile: $.m, email: {first_of: [$.a, $.b]}}}]",
    "users: [{when: {any: [{a: 1}, {not: {b: null}}], all: [{c: {gt: 1, le: '2'}}], d: [x, 1, true]}, customer_id: '@key', identities: {oneid: '@headers.id'}}]",
    "users: [{when: null, for_each: $.list, customer_id: $item.id, identities: {oneid: 'a {{ $.b }}'}}]",
    "tables: {level: {1: silver, '2': gold}}",
    "keys: {crm: {env: KEY}, other: {file: /key}}",
    "event_times: {before: 30d, after: 0}",
    "match: first\notherwise: dead_letter\ntime_zone: UTC",
    "catalogue: shop.catalogue.yaml",
    "catalogue: {file: shop.catalogue.yaml, unknown_event: warn}",
]  # fmt: skip


@pytest.mark.parametrize("more", MORE)
def test_whatever_way_a_thing_may_be_written_is_valid(more, tmp_path):
    assert faults(f"{GOOD_SOURCE}{more}\n", tmp_path) == []


def test_a_variable_may_stand_for_a_path(tmp_path):
    text = GOOD_SOURCE.replace("event_time: $.ts", "event_time: '${TIME_PATH}'")
    assert text != GOOD_SOURCE
    assert faults(text, tmp_path) == []
    assert load_source(tmp_path / "source.yaml", {"TIME_PATH": "$.at"}).events[0].event_time == "$.at"


@pytest.mark.parametrize("name", DECODERS)
def test_each_decoder_has_its_options_as_a_first_and_as_a_further_step(name, tmp_path):
    options = {
        "regex": ", pattern: '(?P<a>.*)'",
        "grok": ", pattern: '%{WORD:a}'",
        "csv": ", columns: [a]",
        "tsv": ", columns: [a]",
        "avro": ", registry: 'https://registry.example:8081'",
    }.get(name, "")
    for step in (
        f"{{format: {name}{options}, charset: gbk}}",
        f"[{{format: {name}{options}, split: lines}}, {{format: {name}, from: a, into: b, required: false{options}}}]",
    ):
        text = GOOD_SOURCE.replace("decode: json", f"decode: {step}")
        assert faults(text, tmp_path) == []
        load_source(tmp_path / "source.yaml", {})
        assert faults(text.replace(f"format: {name}", f"format: {name}, pth: x"), tmp_path)
    if not options:
        assert faults(GOOD_SOURCE.replace("decode: json", f"decode: {name}"), tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("topics:", "topic:"),
        (", topics: [shop-app-log]", ""),
        ("topics:", "topic_pattern: a, topics:"),
        ("decode: json", "decode: jsn"),
        ("decode: json", "decode: {format: json, from: a}"),
        ("decode: json", "decode: {format: json, log_format: combined}"),
        ("decode: json", "decode: {format: csv}"),
        ("decode: json", "decode: {charset: gbk}"),
        ("decode: json", "decode: [json, nginx]"),
        ("decode: json", "decode: [json, {format: nginx}]"),
        ("decode: json", "decode: []"),
        ("decode: json\n", ""),
        ("source: shop-app", "source: Shop App"),
        ("event_code: pay_order", "event_cod: pay_order"),
        ("event_code: pay_order", "event_code: true"),
        ("event_time: $.ts", "event_time: now"),
        ("customer_id: $.user", "customer_id: user"),
        ("customer_id: $.user", "customer_id: $$user"),
        ("out_biz_id: $.no", "out_biz_id: {content: some}"),
        ("out_biz_id: $.no", "out_biz_id: {position: false}"),
        ("out_biz_id: $.no", "out_biz_id: []"),
        ("out_biz_id: $.no", "identities: {mobil: $.a}\n    out_biz_id: $.no"),
        ("amount: $.amount | divide(100)", "a: {first_of: $.a}"),
        ("when: {type: paid}", "when: {type: {gtt: 1}}"),
        ("when: {type: paid}", "when: {type: []}"),
        ("when: {type: paid}", "when: {any: {type: paid}}"),
        ("when: {type: paid}", "when: {not: {}}"),
        ("when: {type: paid}", "when: {type: {exists: 1}}"),
        ("when: {type: paid}", "when: {type: {gt: true}}"),
        ("region: cn-shanghai", "region: cn-hangzhou"),
        ("  region: cn-shanghai\n", ""),
        ("region: cn-shanghai", "region: cn-shanghai\n  endpoint: https://a.example"),
        ("report:", "keys: {crm: secret}\nreport:"),
        ("report:", "keys: {crm: {env: A, file: b}}\nreport:"),
        ("report:", "dedup: {keep: 7}\nreport:"),
        ("report:", "dedup: {keep: seven days}\nreport:"),
        ("report:", "limits: {record: much}\nreport:"),
        ("report:", "dead_letters: {stop_above: 5 of 100}\nreport:"),
        ("report:", "kafka2: {}\nreport:"),
        ("access_id: retailadvqa-cn-test", "batch: {events: 500}\n  access_id: a"),
    ],
)
def test_a_wrong_file_is_not_valid_and_does_not_load(old, new, tmp_path):
    text = GOOD_SOURCE.replace(old, new, 1)
    assert old in GOOD_SOURCE
    assert faults(text, tmp_path)
    with pytest.raises(UsageError):
        load_source(tmp_path / "source.yaml", {})


# --- catalogues and test cases ---------------------------------------------------------------------------------------------------

CATALOGUE = """\
channels:
  - {name: Shop app, application_type: app, app_key: "28307283"}
  - {name: Shop on iOS, application_type: app, quick_tracking: true, platform_type: iOS}
events:
  - code: pay_order
    name: Order paid
    channel: Shop app
    properties:
      - {id: amount, name: Amount paid, type: numeric}
  - {code: follow, name: Followed, channel: Social Interaction, origin: system}
tasks:
  - {name: Thanks, events: [pay_order]}
"""

CASES = """\
environment: {QA_ORG: org-0001}
whole: false
cases:
  - name: a paid order
    json: {type: paid, no: n1}
    key: k1
    timestamp: 2026-11-11 09:00:00
    events: [{event_code: pay_order, event_time: 1794326400000, identities: {mobile: "13812345678"}, attributes: {amount: 199, currency: null}}]
  - name: bytes
    hex: 7b ff
    refused: NOT_UTF8
    reason: bytes
  - name: twice
    records:
      - {base64: e30=, filtered: true}
      - {text: "{}", duplicate: true}
      - {file: shop.log, line: 3, body: {users: [{customerId: u1}]}}
      - {without_value: true, filtered: true}
"""


def pages(start):
    for page in ("catalogue.md", "testing.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        yield from re.findall(rf"```yaml\n({start}:\n.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(("kind", "text"), [("catalogue", CATALOGUE), ("test", CASES), *[("catalogue", each) for each in pages("channels")], *[("test", each) for each in pages("cases")]])  # fmt: skip
def test_catalogues_and_cases_of_the_pages_are_valid(kind, text, tmp_path):
    assert faults(text, tmp_path, kind) == []


def test_a_catalogue_that_events_makes_is_valid(tmp_path):
    assert faults(EMPTY, tmp_path, "catalogue") == []
    path = tmp_path / "made.yaml"
    for words in (
        ["channel", "add", path, "Shop app", "--application-type", "app", "--app-key", "k1"],
        ["add", path, "pay", "--name", "Paid", "--channel", "Shop app", "--property", "amount:numeric:Amount"],
    ):
        assert CliRunner().invoke(cli, ["events", *map(str, words)]).exit_code == 0
    assert faults(path.read_text(), tmp_path, "catalogue") == []
    assert faults("channels:\nevents:\ntasks:\n", tmp_path, "catalogue") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("channels:", "channel:"),
        ("application_type: app,", "application_type: App,"),
        ("application_type: app,", "application_type: web, platform_type: iOS,"),
        (', app_key: "28307283"', ""),
        ('"28307283"', "28307283"),
        (", platform_type: iOS", ""),
        ("application_type: app, quick_tracking", "application_type: third_party_system, quick_tracking"),
        ("quick_tracking: true", "quick_tracking: yes please"),
        ("code: pay_order", "event_code: pay_order"),
        ("    channel: Shop app\n", ""),
        ("type: numeric", "type: number"),
        ("type: numeric", "type: numeric, scope: channel"),
        ("origin: system", "origin: System"),
        ("[pay_order]", "pay_order"),
        ("Order paid", '""'),
    ],
)
def test_a_wrong_catalogue_is_not_valid_and_does_not_load(old, new, tmp_path):
    assert old in CATALOGUE
    text = CATALOGUE.replace(old, new, 1)
    assert faults(text, tmp_path, "catalogue")
    with pytest.raises(UsageError):
        read_catalogue(tmp_path / "catalogue.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cases:", "tests:"),
        ("QA_ORG: org-0001", "QA_ORG: 1"),
        ("whole: false", "whole: maybe"),
        ("whole: false", "schemas: {seven: a.avsc}"),
        ("name: a paid order", "title: a paid order"),
        ("    key: k1\n", "    text: x\n"),
        ("    json: {type: paid, no: n1}\n", ""),
        ("2026-11-11 09:00:00", "yesterday"),
        ("event_code: pay_order", "eventCode: pay_order"),
        ("event_time: 1794326400000", "event_time: soon"),
        ("mobile:", "mobil:"),
        ("hex: 7b ff", "hex: 7b f"),
        ("refused: NOT_UTF8", "refused: NOT_UTF16"),
        ("refused: NOT_UTF8", "filtered: true"),
        ("    refused: NOT_UTF8\n", ""),
        ("base64: e30=", "base64: '{}'"),
        ("base64: e30=, filtered: true", "base64: e30=, filtered: false"),
        ("duplicate: true", "duplicate: true, filtered: true"),
        ("duplicate: true", "duplicate: true, events: []"),
        ("file: shop.log, line: 3", "text: x, line: 3"),
        ("line: 3", "line: 0"),
        ("body: {users: [{customerId: u1}]}", "body: {users: {customerId: u1}}"),
        ("    records:\n", "    text: x\n    records:\n"),
    ],
)
def test_wrong_cases_are_not_valid_and_do_not_load(old, new, tmp_path):
    assert old in CASES
    text = CASES.replace(old, new, 1)
    assert faults(text, tmp_path, "test")
    (tmp_path / "shop.yaml").write_text(GOOD_SOURCE)
    (tmp_path / "shop.log").write_text("{}\n{}\n{}\n")
    load_cases(tmp_path / "shop.yaml", tmp_path / "right.yaml", CASES)
    with pytest.raises(UsageError):
        load_cases(tmp_path / "shop.yaml", tmp_path / "test.yaml", text)
