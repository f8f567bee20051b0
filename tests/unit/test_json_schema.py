"""The JSON Schemas: shipped as they are made, with every key described; what loads is valid, and common mistakes are not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from click.testing import CliRunner
from good_files import GOOD_SOURCE
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field

from pipeline.cli.main import cli
from pipeline.config.json_schema import SCHEMAS, Description, SchemaKind, shipped, written
from pipeline.config.load import load_source
from pipeline.config.quantity import Duration
from pipeline.config.schema_pieces import INSTEAD
from pipeline.config.yaml_file import read_yaml
from pipeline.decode import DECODERS
from pipeline.emulator.sample import SampleKind, generate
from pipeline.proposal.candidates import find_candidates
from pipeline.proposal.format_guess import guess_format
from pipeline.proposal.source_text import Place, write_source

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for path in (ROOT / "examples").glob("*.yaml") if path.stem.count(".") == 0)
SOURCE = Draft202012Validator(json.loads(shipped("source")))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_shipped_schema_is_the_one_that_is_made_now(kind):
    Draft202012Validator.check_schema(json.loads(shipped(kind)))
    assert shipped(kind) == written(kind, ROOT / "docs"), "make schemas"


def test_the_command_prints_it_and_knows_its_kinds():
    assert CliRunner().invoke(cli, ["schema", "source"], standalone_mode=False).output == shipped("source")
    refused = CliRunner().invoke(cli, ["schema", "sauce"])
    assert refused.exit_code == 2
    assert "'sauce' is not" in refused.output


def test_another_kind_of_file_is_a_row_more(tmp_path, monkeypatch):
    class Task(BaseModel):
        """One task."""

        model_config = ConfigDict(extra="forbid")
        wait: Annotated[Duration, Field(ge=1_000, description="how long it waits")] = 5_000
        kind: Literal["a", "b"] = "a"

    class Tasks(BaseModel):
        """All tasks."""

        model_config = ConfigDict(extra="forbid")
        tasks: list[Task]

    (tmp_path / "tasks.md").write_text(
        "| key | default | meaning |\n| --- | --- | --- |\n| `tasks` | required | see [here](x.md) |\n| `tasks.kind` | `a` | a \\| b |\n"
    )
    monkeypatch.setattr(
        "pipeline.config.json_schema.SCHEMAS", {"tasks": SchemaKind(Tasks, "Tasks", (Description("tasks.md"),))}
    )
    made = json.loads(written("tasks", tmp_path))
    assert made["properties"]["tasks"]["description"] == "see here"
    task = made["$defs"]["Task"]["properties"]
    assert task["kind"] == {"default": "a", "enum": ["a", "b"], "type": "string", "description": "a | b"}
    assert (task["wait"]["default"], task["wait"]["description"]) == ("5s", "how long it waits (at least 1s)")
    valid = Draft202012Validator(made).is_valid
    assert valid({"tasks": [{"wait": "2s", "kind": "b"}]})
    assert not valid({"tasks": [{"wait": 2}]})
    assert not valid({"tasks": [{"kind": "${KIND}"}]})


def properties(schema, at=""):
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties":
                yield from ((f"{at}.{key}", each) for key, each in value.items())
            yield from properties(value if name != "if" else None, f"{at}.{name}")  # which only asks
    elif isinstance(schema, list):
        for place, value in enumerate(schema):
            yield from properties(value, f"{at}[{place}]")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_key_is_described_and_none_takes_just_anything(kind):
    schema = json.loads(shipped(kind))
    for place, each in properties(schema):
        named = [
            schema["$defs"].get(one.get("$ref", "").rpartition("/")[2], {}) for one in (each, *each.get("anyOf", ()))
        ]
        assert each.get("description") or any(one.get("description") for one in named), place
        assert set(each) - {"description", "default"}, place
        assert "[" not in each.get("description", "") or "](" not in each["description"], place


def test_what_stands_in_place_of_the_models_is_there():
    for key in INSTEAD:
        if key.startswith("users.") and key.partition(".")[2] in {
            "event_code",
            "event_source_code",
            "event_time",
            "out_biz_id",
            "attributes",
        }:
            continue
        section, _, name = key.rpartition(".")
        if section == "decode":
            assert any(name in kind.options.model_fields for kind in DECODERS.values()), key
            continue
        model = SCHEMAS["source"].model
        for step in filter(None, section.split(".")):
            annotation = model.model_fields[step].annotation
            model = (getattr(annotation, "__args__", None) or [annotation])[-1]  # of a dict its values
        assert name in {field.alias or each for each, field in model.model_fields.items()}, key


def faults(text, tmp_path):
    path = tmp_path / "source.yaml"
    path.write_text(text, encoding="utf-8")
    return [f"{each.json_path}: {each.message}" for each in SOURCE.iter_errors(read_yaml(path).content)]


def right():
    for path in sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]):
        for place, block in enumerate(
            re.findall(r"```yaml\n(source:.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
        ):
            yield pytest.param(block, id=f"{path.name}-{place}")
    for path in SOURCES:
        yield pytest.param(path.read_text(encoding="utf-8"), id=path.name)
    for kind in SampleKind:
        values = [line.value for line in generate(kind, 300, 1)]
        guess = guess_format(values)
        text = write_source(Place("shop", "localhost:9092", "log"), guess, find_candidates(guess.entries), len(values))
        yield pytest.param(text, id=f"init-{kind.value}")


@pytest.mark.parametrize("text", list(right()))
def test_every_source_file_in_docs_and_examples_and_what_init_writes_is_valid(text, tmp_path):
    assert faults(text, tmp_path) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_sample_files_name_their_schema(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    name = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)[1]
    assert (path.parent / name).resolve() == ROOT / "schemas" / "json" / "source.json"


DECODE = [
    "{format: avro, registry: {url: 'http://localhost:8081', username: u, password: {env: P}, cache: 10, unknown_after: 1s}, encoding: confluent}",
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
]  # fmt: skip


@pytest.mark.parametrize("more", MORE)
def test_whatever_way_a_thing_may_be_written_is_valid(more, tmp_path):
    assert faults(f"{GOOD_SOURCE}{more}\n", tmp_path) == []


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
    from pipeline.errors import UsageError

    with pytest.raises(UsageError):
        load_source(tmp_path / "source.yaml", {})
