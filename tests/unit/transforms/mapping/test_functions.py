"""Functions: numbers are exact, texts are bounded, and every value gets a result or a refusal."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.fault import BadExpression
from transforms.mapping.functions import FUNCTIONS
from transforms.mapping.scope import Scope
from transforms.mapping.synonyms import FUNCTION_HINTS, FUNCTIONS_ELSEWHERE
from transforms.mapping.text_functions import MOST_CHARACTERS
from transforms.mapping.values import compile_value
from transforms.testing import entry
from transforms.values.characters import _PLAIN
from transforms.values.text import Inconvertible

KNOWN = Scope({"level": {"1": "silver", "true": "yes"}}, {"crm": b"secret"})
ARGUMENTS = {"text": "'a'", "integer": "2", "number": "3", "any": "'x'", "table": "'level'", "key": "'crm'"}
CALLS = (
    {"time": "time('%Y-%m-%d')"}
    | {
        name: f"{name}({', '.join(ARGUMENTS[kind.rstrip('?')] for kind in function.arguments)})"
        for name, function in FUNCTIONS.items()
        if name != "time"
    }
    | {"identity": "identity('mobile')"}
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def call(expression, value):
    return compile_value(f"$.v | {expression}", KNOWN)(entry({"v": value}))


class Refused(NamedTuple):
    reason: str


def answer(expression, value):
    try:
        return call(expression, value)
    except Inconvertible as error:
        return Refused(str(error))


@pytest.mark.parametrize("name", FUNCTIONS)
@given(JSON)
@example(10**5000)
@example("9" * 5000)
@example("1e999999999")
@example("_1")
@example("\ud800")
@example([[[]]])
@example("http://[x?%zz&&=")
def test_a_function_gives_a_value_or_refuses_whatever_it_gets(name, value):
    first, second = answer(CALLS[name], value), answer(CALLS[name], value)
    assert first is second or repr(first) == repr(second)  # nan does not equal itself
    if isinstance(first, Refused):
        assert first.reason.startswith(f"{name}: ")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.integers(1, 10**9))
def test_multiplying_is_exact(number, factor):
    assert Fraction(call(f"multiply({factor})", str(number))) == Fraction(number) * factor


@given(st.integers(-(10**60), 10**60), st.sampled_from([1, 2, 8, 10, 100, 1000, 125]))
def test_dividing_is_exact_where_the_quotient_has_an_end(number, divisor):
    assert Fraction(call(f"divide({divisor})", number)) == Fraction(number, divisor)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4) | st.integers(-(10**60), 10**60))
def test_a_magnitude_is_exact(number):
    assert Fraction(call("abs", str(number))) == abs(Fraction(number))


def test_nothing_is_not_less_than_nothing():
    assert call("fixed(2)", "-0.004") == "0.00"
    assert call("fixed(0)", "-0.4") == "0"
    assert call("fixed(2)", "-0.005") == "-0.01"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "红\ud800"])
def test_half_a_surrogate_pair_is_never_cut_into_bytes(text):
    for pattern in (".", "(.+)", "[^a]", "b|(.)"):
        found = call(f"extract('{pattern}')", text)
        assert found is None or found.encode()


def test_a_quotient_without_an_end_is_cut():
    assert str(call("divide(3)", 1)) == "0." + "3" * 28


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40, places=6))
def test_rounding_is_half_up(number):
    rounded = Fraction(call("round(2)", str(number)))
    assert abs(rounded - Fraction(number)) <= Fraction(1, 200)
    if abs(rounded - Fraction(number)) == Fraction(1, 200):
        assert abs(rounded) > abs(Fraction(number))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_a_number_is_read_exactly(number):
    assert Fraction(call("number", f" {number} ")) == Fraction(number)


@pytest.mark.parametrize(
    "value", ["1_000", "1,000", "", "NaN", "Infinity", "１２三", True, [], {}, "9" * 1001, "1e1001"]
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(Inconvertible):
        call("number", value)


CHARACTERS = st.sampled_from(
    ["a", " ", "é", "e\u0301", "o\u0302\u0323", "红", "。", "각", "\u1100\u1161\u11a8", "กำ", "क्षि", "நி", "\r\n", "👍🏽", "❤\ufe0f", "👨\u200d👩\u200d👧", "🇨🇳", "🇯🇵", "1\ufe0f\u20e3", "𠮷", "葛\U000e0100"]
)  # fmt: skip


@given(st.lists(CHARACTERS, max_size=30), st.integers(1, 20))
def test_a_text_is_cut_between_characters_as_a_reader_sees_them(characters, most):
    assert call(f"truncate({most})", "".join(characters)) == "".join(characters[:most])


@given(st.text(max_size=50), st.integers(1, 20))
def test_whatever_the_text_its_beginning_is_kept_and_twice_is_as_once(text, most):
    kept = call(f"truncate({most})", text)
    assert text.startswith(kept)
    assert len(kept) >= min(len(text), most)
    assert call(f"truncate({most})", kept) == kept


def test_no_two_of_the_plain_characters_are_one():
    for code in range(0x20, 0x10000):
        each = chr(code)
        if _PLAIN.fullmatch(each):
            assert [len(found) for found in regex.findall(r"\X", f"a{each}{each}a")] == [1, 1, 1, 1]


def test_marks_upon_marks_do_not_make_a_text_that_has_no_end():
    assert len(call("truncate(3)", "e" + "\u0301" * 100_000)) < 100


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=8), max_size=4),
    st.sampled_from(["/p", "https://h/p", "http://[h", ""]),
)
def test_a_parameter_is_found_in_what_a_form_writes(parameters, before):
    url = f"{before}?{urlencode(parameters)}#x?no=1"
    for name, content in parameters.items():
        if "'" not in name and name.isprintable() and "\\" not in name:
            assert call(f"query('{name}')", url) == content
    assert call("query('no')", url) == parameters.get("no")


def test_a_small_record_cannot_be_blown_up():
    with pytest.raises(Inconvertible, match="too long"):
        call(f"replace('a', '{'b' * 1000}')", "a" * 10_000)
    with pytest.raises(Inconvertible, match="too long"):
        call(f"join('{'b' * 1000}')", ["a"] * 10_000)
    assert len(call("replace('a', 'bb')", "a" * 1000)) == 2000 < MOST_CHARACTERS


def test_hashes_are_those_of_the_text_s_utf_8():
    assert call("hash", "红") == hashlib.sha256("红".encode()).hexdigest()
    assert call("md5", 12) == hashlib.md5(b"12").hexdigest()


def test_a_hash_of_an_identity_is_the_same_wherever_it_comes_from():
    written = ["13800138000", 13800138000, "+86 138-0013-8000", "008613800138000"]
    assert len({call("identity('mobile') | hmac('crm')", each) for each in written}) == 1
    assert call("identity('mobile') | hmac('crm')", "12345") is None


def test_functions_follow_one_another_and_a_missing_value_passes_them_by():
    assert call("split(',', 1) | trim | upper | prefix('x')", "a, b ,c") == "xB"
    assert call("split(',', 9) | trim | default('none') | upper", "a") == "NONE"
    assert call("trim | upper", None) is None


def test_a_table_is_asked_by_the_value_s_text():
    assert call("lookup('level')", 1) == call("lookup('level')", Decimal("1.0")) == "silver"
    assert call("lookup('level')", True) == "yes"
    assert call("lookup('level')", 9) is None
    assert call("lookup('level', null)", 9) is None
    assert call("lookup('level', 0.5)", 9) == Decimal("0.5")


def test_a_bar_in_quotes_is_no_pipe():
    assert compile_value("$['a|b'] | split('|', 1) | replace(\"'\", '|')", Scope())(entry({"a|b": "x|y'z"})) == "y|z"


@pytest.mark.parametrize(
    ("expression", "found", "expected"),
    [
        ("trimm", "unknown function 'trimm'", "'trim'"), ("zzz", "unknown function", "one of time"), ("", "nothing behind `|`", "truncate(60)"), ("truncate", "0 arguments", "truncate(integer)"),
        ("truncate()", "0 arguments", "truncate(integer)"), ("truncate(0)", "truncate(0)", "from 1"), ("truncate(1.5)", "truncate(Decimal('1.5'))", "integer"), ("truncate(true)", "truncate(True)", "integer"),
        ("default($.b)", "default($.b)", "no paths"), ("split('', 1)", "empty separator", "','"), ("replace('', 'x')", "empty text", "'-'"), ("divide(0)", "division by 0", "another"),
        ("round(31)", "round(31)", "30"), ("round(-1)", "round(-1)", "30"), ("lookup('lvl')", "unknown table 'lvl'", "'level'"), ("lookup(1)", "lookup(1)", "name of a table"), ("trim trim", "trim trim", "a function"),
        ("split(',' 1)", "split(',' 1)", "comma"), ("split(',',)", "split(',',)", "after each comma"), ("default(x)", "the argument 'x'", "in quotes"), ("time('epoch', 'UTC')", "with a zone", "none"),
        ("time('iso', 'Asia/Shangai')", "unknown time zone", "'Asia/Shanghai'"), ("time('iso', '../etc')", "unknown time zone", "IANA"), ("trim" + " | trim" * 20, "21 functions", "at most 20"),
        ("int", "'int'", "'integer'"), ("substring(1, 2)", "'substring'", "'extract'"), ("uppercase", "'uppercase'", "'upper'"), ("concat('a')", "'concat'", "{{ $.a }}"), ("coalesce(1)", "'coalesce'", "first_of"), ("sha1", "'sha1'", "'sha256'"),
        ("replace('", "not closed", "YAML takes the rest for a comment"),
        ("identity('mobil')", "identity('mobil')", "'mobile'"), ("identity('zz')", "identity('zz')", "one of oneid"),
        ("time('yyyy-MM-dd HH:mm:ss')", "no format", "'epoch_s'"), ("time('')", "no format", "'%Y-%m-%d %H:%M:%S'"), ("extract('\\C')", "\\C", "single byte"), ("extract('a\\\\\\C')", "\\C", "single byte"), ("default('\ud800')", "surrogate", "text"),
        ("Trim", "'Trim'", "a function"), ("truncate(١)", "truncate", "a function"), ("prefix('" + "x" * 2000 + "')", "2,000 characters", "shorter"),
    ],
)  # fmt: skip
def test_a_wrong_call_says_what_would_be_right(expression, found, expected):
    with pytest.raises(BadExpression) as bad:
        compile_value(f"$.v | {expression}", KNOWN)
    assert found in bad.value.found
    assert expected in bad.value.expected


@pytest.mark.parametrize("names", [FUNCTIONS_ELSEWHERE, FUNCTION_HINTS])
def test_what_other_tools_call_a_function_is_none_here_and_what_it_names_is(names):
    assert not names.keys() & FUNCTIONS.keys()
    assert set(FUNCTIONS_ELSEWHERE.values()) <= FUNCTIONS.keys()


@given(st.text(max_size=40))
def test_any_text_behind_a_bar_compiles_or_is_a_fault(text):
    try:
        compiled, found, expected = compile_value(f"$.v | {text}", KNOWN), "", ""
    except BadExpression as bad:
        compiled, found, expected = None, bad.found, bad.expected
    assert callable(compiled) or (found and expected)
