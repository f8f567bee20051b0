from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal
from tests.support.examples import examples

decode = build_decoder("json", {}, DecodeLimits())

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    TEXT,
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    SCALARS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=12,
)


def code(value):
    answer = decode(value)
    assert isinstance(answer, Refusal)
    return answer.code


@given(fields=st.dictionaries(TEXT, VALUES, max_size=5), ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
@examples(times=3)
@example(fields={"a": 2**64}, ascii_only=True, indent=None)
@example(fields={"a": [-(2**63) - 1, 2**63, 2**64 - 1]}, ascii_only=True, indent=None)
def test_what_json_dumps_writes_is_read_back_the_same(fields, ascii_only, indent):
    value = json.dumps(fields, ensure_ascii=ascii_only, indent=indent).encode()
    assert exactly(decode(value)) == exactly(fields)


def exactly(value):
    """The value with every number as its type and digits, so that 1 and 1.0 and True differ."""
    if isinstance(value, dict):
        return {key: exactly(child) for key, child in value.items()}
    if isinstance(value, list):
        return [exactly(child) for child in value]
    if isinstance(value, str):
        return value
    return repr(Decimal(repr(value)) + 0) if isinstance(value, float) else repr(value)


@given(
    digits=st.text("0123456789", min_size=1, max_size=40),
    point=st.integers(0, 40),
    sign=st.sampled_from(["", "-"]),
    exponent=st.sampled_from(["", "e5", "E-7", "e+12"]),
    around=st.sampled_from([b'{"a":%s}', b'{"b":["x",%s],"c":1}', b'{"a": %s}', b'{"b":[%s]}', b'{"b":[1,\n%s\n]}']),
)
@examples(times=4)
def test_every_number_is_the_number_written(digits, point, sign, exponent, around):
    whole, part = digits[:point].lstrip("0") or "0", digits[point:]
    text = sign + whole + (f".{part}" if part else "") + exponent
    fields = decode(around % text.encode())
    number = fields["a"] if "a" in fields else fields["b"][-1]
    assert Decimal(repr(number) if isinstance(number, float) else number) == Decimal(text)
    if not part and not exponent:
        assert type(number) is int


def test_an_order_number_of_25_digits_is_exact():
    assert decode(b'{"order":{"no":2024050110000012345678901}}') == {"order": {"no": 2024050110000012345678901}}


def test_money_keeps_its_value():
    assert repr(decode(b'{"amount":0.1}')["amount"]) == "0.1"
    assert repr(decode(b'{"amount":12.10}')["amount"]) == "12.1"
    assert decode(b'{"amount":12345678901234567.89}')["amount"] == Decimal("12345678901234567.89")


def test_the_same_number_has_the_same_type_beside_a_long_one():
    alone = decode(b'{"a":12.5,"b":1e3,"c":123456789.123456}')
    beside = decode(b'{"a":12.5,"b":1e3,"c":123456789.123456,"d":12345678901234567890123}')
    assert all(type(beside[name]) is type(alone[name]) and beside[name] == alone[name] for name in alone)


def test_a_number_beyond_a_double_is_exact():
    assert decode(b'{"a":1e400}') == {"a": Decimal("1e400")}
    assert decode(b'{"a":-1E+400,"b":"1e400"}') == {"a": Decimal("-1e400"), "b": "1e400"}
    assert decode(b'{"a":' + b"1" * 900 + b"}") == {"a": int("1" * 900)}


@pytest.mark.parametrize(
    "number",
    [
        "9" * 1001,
        "-" + "9" * 1001,
        "9" * 10_000,
        "0." + "1" * 10_000,
        "1e1001",
        "1e999999999",
        "1e99999999999999999999999",
    ],
)
def test_a_number_with_too_many_digits_is_refused(number):
    assert code(b'{"a":%s}' % number.encode()) is ReasonCode.NUMBER_TOO_LONG


def test_a_number_with_as_many_digits_as_allowed_is_read():
    assert decode(b'{"a":-%s}' % (b"9" * 1000)) == {"a": -int("9" * 1000)}


def test_long_digits_in_a_string_are_text():
    assert decode(b'{"a":"' + b"9" * 10_000 + b'"}') == {"a": "9" * 10_000}


def nested(levels):
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_depth_is_counted_from_the_outermost_object():
    assert not isinstance(decode(nested(64)), Refusal)
    assert code(nested(65)) is ReasonCode.TOO_DEEP
    assert code(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}") is ReasonCode.TOO_DEEP
    assert code(b'{"n":12345678901234567890123,"a":' + b"[" * 64 + b"]" * 64 + b"}") is ReasonCode.TOO_DEEP


@pytest.mark.parametrize(
    "value", [b"[" * 100_000, b'{"a":' * 100_000, nested(100_000), b"[" * 100_000 + b"]" * 100_000]
)
def test_nesting_100000_deep_is_refused(value):
    assert code(value) is ReasonCode.TOO_DEEP


def test_brackets_in_strings_and_side_by_side_are_not_depth():
    wide = {"a": [[]] * 1000, "b": "[" * 1000, "c": '"' + "{" * 100}
    assert decode(json.dumps(wide).encode()) == wide


def test_the_deepest_allowed_record_with_a_number_beyond_a_double_is_read():
    limits = DecodeLimits(depth=256)
    value = b'{"a":' * 255 + b'{"n":1e400}' + b"}" * 255
    assert not isinstance(build_decoder("json", {}, limits)(value), Refusal)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b'{"a":1',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity,"b":1e400}',
        b'{"a":NaN,"b":1e400}',
        b'{"a":01}',
        b'{"a":01e400}',
        b'{"a":1.}',
        b'{"a":1.2.3e400}',
        b"{'a':1}",
        b'{"a":1 {"b":2}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\ud800","b":1e400}',
        b'{"a":"\n"}',
        b'{"a":"\n","b":1e400}',
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b"plain text",
    ],
)
def test_what_is_no_json_is_refused(value):
    assert code(value) is ReasonCode.NOT_JSON


@pytest.mark.parametrize(
    "value", [b"[1]", b'"text"', b"1", b"null", b"true", b"1e400", b"2" * 30, b"[12345678901234567890123]"]
)
def test_json_that_is_no_object_is_refused(value):
    assert code(value) is ReasonCode.NOT_AN_OBJECT


def test_a_byte_order_mark_is_skipped():
    assert decode(b'\xef\xbb\xbf{"a":"\xe6\x98\xa5","n":12345678901234567890123}') == {
        "a": "春",
        "n": 12345678901234567890123,
    }


@pytest.mark.parametrize(
    "value", [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', '{"a":"春"}'.encode("gb18030"), b"\xff\xfe{\x00"]
)
def test_bytes_that_are_not_utf8_are_refused(value):
    assert code(value) is ReasonCode.NOT_UTF8


def test_of_equal_keys_the_last_one_counts():
    assert decode(b'{"a":1,"a":2}') == {"a": 2}
    assert decode(b'{"a":1,"a":12345678901234567890123}') == {"a": 12345678901234567890123}


def test_surrogate_pairs_are_one_character():
    assert decode(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}
