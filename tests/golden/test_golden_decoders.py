"""Every decoder reads the examples of its format's own documents as the documents say. Each decoder has one file of cases, beside this file.

A case names the document (`source`), the decoder's `options` or a whole `decode` key, the record as `input` or `hex`, and the result:
`fields`, or `entries` where the record holds several or none, or the reason it is `filtered`, or the reason code it is `refused` with. `files`
holds Avro schemas by the path that the options name, `schemas` the schemas of a registry by ID. `!decimal` marks an exact number.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor

from pipeline.decode import DECODERS, DecodeContext, DecodeLimits, DecodeSettings, build_chain
from schemas.refusal import ReasonCode, Refusal
from transforms.base import Skipped

HERE = Path(__file__).parent
BESIDE_DECODERS = {"steps", "user_agent"}
KEYS = {"case", "source", "options", "decode", "files", "schemas", "input", "hex"}
OUTCOMES = {"fields", "entries", "filtered", "refused"}
CHINESE = re.compile(r"[\u4e00-\u9fff\U00020000-\U0002ffff]")


class ExactConstructor(SafeConstructor):
    """Reads `!decimal` as a `Decimal`."""


ExactConstructor.add_constructor("!decimal", lambda _, node: Decimal(node.value))


def load_cases(path):
    yaml = YAML(typ="safe")
    yaml.Constructor = ExactConstructor
    return yaml.load(path)


FILES = {path.stem: load_cases(path) for path in sorted(HERE.glob("*.yaml"))}
CASES = [pytest.param(name, case, id=f"{name}: {case['case']}") for name, cases in FILES.items() for case in cases]


def outcome(answer):
    match answer:
        case list():
            return {
                "entries": [{"refused": str(each.code)} if isinstance(each, Refusal) else dict(each) for each in answer]
            }
        case Refusal():
            return {"refused": str(answer.code)}
        case Skipped():
            return {"filtered": answer.why}
    return {"fields": dict(answer)}


def context_of(case, folder):
    for path, schema in case.get("files", {}).items():
        (folder / path).write_text(json.dumps(schema), encoding="utf-8")
    schemas = {number: json.dumps(schema) for number, schema in case.get("schemas", {}).items()}
    return DecodeContext(folder, schemas=schemas)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_example_is_read_as_its_document_says(name, case, tmp_path):
    steps = case.get("decode") or [{"format": name, **case.get("options", {})}]
    decode = build_chain(TypeAdapter(DecodeSettings).validate_python(steps), DecodeLimits(), context_of(case, tmp_path))
    value = bytes.fromhex(case["hex"]) if "hex" in case else case["input"].encode()
    assert outcome(decode(value)) == {key: case[key] for key in OUTCOMES & case.keys()}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_case_says_where_it_is_from_and_one_thing_that_comes_of_it(name, case):
    assert case.keys() <= KEYS | OUTCOMES
    assert len(case["source"]) > len("RFC 1")
    assert len(case.keys() & {"input", "hex"}) == len(case.keys() & OUTCOMES) == 1
    assert "refused" not in case or case["refused"] in set(ReasonCode)


def test_every_decoder_has_its_file_with_an_example_in_chinese_and_one_that_is_refused():
    assert FILES.keys() == DECODERS.keys() | BESIDE_DECODERS
    for name, cases in FILES.items():
        assert len({case["case"] for case in cases}) == len(cases), name
        assert CHINESE.search(str(cases)), name
        assert name == "user_agent" or any("refused" in str(case) for case in cases), name
