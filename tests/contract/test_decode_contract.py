"""One suite for every decoder: the promises of a `Decoder`, for each format."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DECODERS, DecodeLimits, UnknownFormatError, build_decoder
from schemas.refusal import ReasonCode, Refusal, Stage
from tests.support.decoders import CONTEXT, GOOD, OPTIONS
from tests.support.examples import examples
from tests.support.paths import ROOT
from transforms.base import Skipped

HOSTILE = {
    "empty": b"",
    "nul": b"\x00",
    "null": b"null",
    "not UTF-8": b'{"a":"\xff\xfe"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "deep arrays": b"[" * 100_000,
    "deep closed arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "10,000 digits": b'{"a":' + b"9" * 10_000 + b"}",
    "10,000 decimals": b'{"a":0.' + b"9" * 10_000 + b"}",
    "huge exponent": b'{"a":1e999999999999999999999}',
    "quotes": b'"' * 100_000,
    "escaped quotes": b'"' + b'\\"' * 100_000,
    "spaces": b" " * 100_000,
    "brackets and quotes": b'] "' * 50_000,
    "percent signs": b'1.2.3.4 - - [01/May/2024:10:00:00 +0800] "GET /?'
    + b"%%%=%&" * 10_000
    + b' HTTP/1.1" 200 5 "-" "-"',
    "first year": b'1.2.3.4 - - [01/Jan/0001:00:00:00 +2300] "GET / HTTP/1.1" 200 5 "-" "-"',
    "marks between": b'\xef\xbb\xbf{"a":1}' * 2_000,
    "tabs between": b'\x0b{"a":1}' * 2_000,
    "blank lines": b"{}" + b"\n" * 100_000 + b"{}",
    "lone surrogate": b'{"a":"\\ud800"}',
    "many marks": b"\xef\xbb\xbf" * 50_000,
    "deep elements": b"<a>" * 50_000 + b"</a>" * 50_000,
    "entities": b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
    "many columns": b"," * 200_000,
    "many rows": b"a,b,c,d\n" * 50_000,
    "many pairs": b"a=1 " * 50_000,
    "open quotes": b'a="' * 50_000,
    "spaces and quotes": b'a:"   ' * 20_000,
    "many lines": b"2024-05-01T10:00:00.123+08:00  INFO 1 --- [x] c : m\n" * 5_000,
    "deep frames": b"2024-05-01T10:00:00.123+08:00  INFO 1 --- [x] c : m\n" + b"\tat a.b.c(D.java:1)\n" * 10_000,
    "structured data": b"<165>1 2024-05-01T10:00:00Z h a p m " + b'[a b="c"]' * 20_000,
    "payload of a number": b'{"schema":null,"payload":5}',
    "broken decimal": b'{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},"payload":{"amount":"***"},"day":1}',
    "decimal of a million digits": b'{"op":"c","after":{"amount":"'
    + b"A" * 400_000
    + b'","at":"x"},"amount":"'
    + b"A" * 400_000
    + b'"}',
    "date that is none": b'{"op":"c","after":{"at":[1]},"day":{"a":1},"__op":[]}',
    "schema that is none": b'{"schema":{"fields":[1,{"field":[]},{"field":"payload"},{"field":"after","type":"struct","fields":[{"field":"a","type":"array","items":5}]}]},"payload":{"op":"c","after":{"a":[1]}}}',
    "row that is a number": b'{"schema":{"name":"io.debezium.data.VariableScaleDecimal"},"payload":{"scale":1,"value":"AA==","__op":"c"}}',
    "change to a number": b'{"schema":{"fields":[{"field":"after","name":"io.debezium.data.VariableScaleDecimal"}]},"payload":{"op":"c","after":{"scale":1,"value":"AA=="}}}',
    "operation that is none": b'{"op":"x","after":{}}',
    "flattened": b'{"__op":{"a":1},"__deleted":[]}',
    "document that is none": b'{"op":"c","after":"[1]"}',
    "many nulls": b"\x36\x02" + b"\xfe\xff\xff\xff\x0f" + b"\x00",
    "nested Avro": b"\x02" * 100_000,
    "ones": b"\xff" * 100_000,
    "backslashes": b'<165>1 2024-05-01T10:00:00Z h a p m [a b="' + b"\\" * 100_000,
}
LIMITS = DecodeLimits()
EVERY = pytest.mark.parametrize("name", DECODERS)


def decoder(name):
    return build_decoder(name, OPTIONS[name], LIMITS, CONTEXT)


def check_answer(answer):
    """Check a result: fields with text as names, which can be encoded as UTF-8; or a refusal of the decoding stage; or `Skipped`."""
    if isinstance(answer, list):
        assert not any(isinstance(each, list | Skipped) for each in answer)
        for each in answer:
            check_answer(each)
        return
    if isinstance(answer, Skipped):
        assert answer.why
        return
    if isinstance(answer, Refusal):
        assert answer.stage is Stage.DECODE
        assert answer.reason
        return
    assert all(type(name) is str for name in answer)
    json.dumps(answer, ensure_ascii=False, default=str).encode()


def test_every_row_has_its_examples_here():
    assert set(OPTIONS) == set(GOOD) == set(DECODERS)


@EVERY
def test_a_good_record_gives_fields(name):
    answer = decoder(name)(GOOD[name])
    assert not isinstance(answer, Refusal)
    assert answer


@EVERY
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_is_answered(name, value):
    check_answer(decoder(name)(value))


@EVERY
@given(value=st.binary(max_size=300))
def test_arbitrary_bytes_are_answered(name, value):
    check_answer(decoder(name)(value))


@EVERY
@given(data=st.data())
def test_damaged_records_are_answered(name, data):
    good = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    check_answer(decoder(name)(bytes(good[:cut])))


@EVERY
@given(
    value=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
)
@examples(times=0.5)
def test_the_same_bytes_give_the_same_answer(name, value):
    first, second = decoder(name), decoder(name)
    assert repr(first(value)) == repr(second(value)) == repr(first(value))


@EVERY
def test_bytes_that_are_not_utf8_are_refused_as_such(name):
    answer = decoder(name)(GOOD[name][:-3] + b"\xff" + GOOD[name][-3:])
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.NOT_UTF8


@EVERY
def test_a_refusal_never_quotes_the_record(name):
    for value in (b"13800001111 {", b'["13800001111"]', b'13800001111 "', b"13800001111\xff", b"13800001111"):
        answer = decoder(name)(value)
        for each in answer if isinstance(answer, list) else [answer]:
            if isinstance(each, Refusal):
                assert "13800001111" not in each.reason


@EVERY
def test_an_unknown_option_is_refused(name):
    with pytest.raises(ValueError, match="no_such_option"):
        build_decoder(name, {**OPTIONS[name], "no_such_option": 1}, LIMITS, CONTEXT)


def test_an_unknown_format_names_the_nearest_one():
    with pytest.raises(UnknownFormatError, match="did you mean nginx"):
        build_decoder("ngnix", {}, LIMITS)


@EVERY
def test_the_docs_name_each_format_its_options_and_its_reason_codes(name):
    page = (ROOT / "docs" / "decoders.md").read_text()
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert section
    assert f"| [`{name}`](#{name}) |" in page
    for option in DECODERS[name].options.model_fields:
        assert f"\n| `{option}` |" in section
    for value in HOSTILE.values():
        answer = decoder(name)(value)
        for each in answer if isinstance(answer, list) else [answer]:
            if isinstance(each, Refusal):
                assert f"`{each.code}`" in section


@EVERY
def test_every_option_is_described(name):
    assert DECODERS[name].description
    assert all(field.description for field in DECODERS[name].options.model_fields.values())
