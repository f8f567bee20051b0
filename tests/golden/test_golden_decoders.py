"""Every decoder reads the examples of its format's own documents as they say. One file of cases a decoder, beside this one.

A case names the document (`source`), the decoder's `options` or a whole `decode` key, the record as `input` or `hex`, and what comes of it:
`fields`, or `entries` where the record holds several or none, or the reason code it is `refused` with.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from pipeline.decode import DECODERS, DecodeLimits, DecodeSettings, build_chain
from schemas.refusal import ReasonCode, Refusal

HERE = Path(__file__).parent
BESIDE_DECODERS = {"steps", "user_agent"}
KEYS = {"case", "source", "options", "decode", "input", "hex", "fields", "entries", "refused"}
CHINESE = re.compile(r"[\u4e00-\u9fff\U00020000-\U0002ffff]")

FILES = {path.stem: YAML(typ="safe").load(path) for path in sorted(HERE.glob("*.yaml"))}
CASES = [pytest.param(name, case, id=f"{name}: {case['case']}") for name, cases in FILES.items() for case in cases]


def outcome(answer):
    if isinstance(answer, list):
        return {
            "entries": [{"refused": str(each.code)} if isinstance(each, Refusal) else dict(each) for each in answer]
        }
    return {"refused": str(answer.code)} if isinstance(answer, Refusal) else {"fields": dict(answer)}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_example_is_read_as_its_document_says(name, case):
    steps = case.get("decode") or [{"format": name, **case.get("options", {})}]
    decode = build_chain(TypeAdapter(DecodeSettings).validate_python(steps), DecodeLimits())
    value = bytes.fromhex(case["hex"]) if "hex" in case else case["input"].encode()
    assert outcome(decode(value)) == {key: case[key] for key in ("fields", "entries", "refused") if key in case}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_case_says_where_it_is_from_and_one_thing_that_comes_of_it(name, case):
    assert case.keys() <= KEYS
    assert len(case["source"]) > len("RFC 1")
    assert len(case.keys() & {"input", "hex"}) == len(case.keys() & {"fields", "entries", "refused"}) == 1
    assert "refused" not in case or case["refused"] in set(ReasonCode)


def test_every_decoder_has_its_file_with_an_example_in_chinese_and_one_that_is_refused():
    assert FILES.keys() == DECODERS.keys() | BESIDE_DECODERS
    for name, cases in FILES.items():
        assert len({case["case"] for case in cases}) == len(cases), name
        assert CHINESE.search(str(cases)), name
        assert name == "user_agent" or any("refused" in str(case) for case in cases), name
