"""Several objects in one JSON record: each is an entry. A broken object is refused alone, where it is sure where the next object begins."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal

LIMITS = DecodeLimits(entries=50)
decode = build_decoder("json", {}, LIMITS)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
OBJECTS = st.lists(
    st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2)), max_size=3),
    min_size=2, max_size=6,
)  # fmt: skip


def codes(answer):
    assert isinstance(answer, list)
    return [each.code.value if isinstance(each, Refusal) else each for each in answer]


@given(
    objects=OBJECTS,
    between=st.sampled_from(["", " ", "\n", "\r\n", "\n\n \n"]),
    indent=st.sampled_from([None, 2]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_objects_one_after_the_other_are_entries_whatever_stands_between(objects, between, indent, mark):
    text = between.join(json.dumps(each, indent=indent, ensure_ascii=False) for each in objects)
    assert decode(mark + text.encode()) == objects


@given(objects=OBJECTS, indent=st.sampled_from([None, 2]), mark=st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_the_objects_of_an_array_are_entries(objects, indent, mark):
    assert decode(mark + json.dumps(objects, indent=indent).encode()) == objects


def test_long_numbers_are_exact_in_each_entry():
    exact = {"n": 12345678901234567890123}
    assert decode(b'[{"n":12345678901234567890123},{"n":12345678901234567890123}]') == [exact, exact]
    assert decode(b'{"n":12345678901234567890123}{"n":12345678901234567890123}') == [exact, exact]


@pytest.mark.parametrize(
    ("between", "codes_expected"),
    [("\ufeff", {"a"}), ("\v", {"a", "NOT_JSON"}), (",", {"a", "NOT_JSON"}), ("]", {"a", "NOT_JSON"})],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", "\n"])
def test_however_many_objects_follow_something_else_each_is_looked_at_once(between, codes_expected, end):
    text = between.join(['{"a":1}' + end] * 2_000).encode()
    answer = build_decoder("json", {}, DecodeLimits())(text)
    entries = answer if isinstance(answer, list) else [answer]
    assert {"a" if isinstance(each, dict) else each.code.value for each in entries} == codes_expected


def test_a_broken_line_costs_itself_alone():
    assert codes(decode(b'{"a":1}\n{"b":\n{"c":NaN}\n{"d":4}')) == [{"a": 1}, "NOT_JSON", "NOT_JSON", {"d": 4}]


def test_a_broken_first_line_costs_itself_alone_too():
    assert codes(decode(b'{broken\n{"a":1}\r\n \n {"b":2}')) == ["NOT_JSON", {"a": 1}, {"b": 2}]


def test_what_follows_a_broken_object_on_its_line_is_its_own():
    assert codes(decode(b'{"a":1} {"b":} {"c":3}')) == [{"a": 1}, "NOT_JSON"]


def test_rest_behind_an_object_is_refused_and_the_object_kept():
    assert codes(decode(b'{"a":{}} rest')) == [{"a": {}}, "NOT_JSON"]


def test_an_element_that_is_no_object_is_refused_by_itself():
    assert codes(decode(b'[{"a":1},2,[{}]]')) == [{"a": 1}, "NOT_AN_OBJECT", "NOT_AN_OBJECT"]


def test_an_empty_array_holds_no_entry():
    assert decode(b"[]") == []


@pytest.mark.parametrize(
    "value", [b"[" + b"{}," * 50 + b"{}]", b"{}" * 51, b"{}\n" * 51, b"{}" * 100_000, b'{"a":1}\n' * 100_000]
)
def test_more_entries_than_allowed_refuse_the_record(value):
    answer = decode(value)
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.TOO_MANY_ENTRIES
    assert decode(b"[" + b"{}," * 49 + b"{}]") == [{}] * 50


@pytest.mark.parametrize("value", [b"{}\n\n\n\n" * 5_000, b"{} {} {}\n" * 2], ids=["blank lines", "several a line"])
def test_lines_are_bounded_however_many_are_blank_or_hold_several(value):
    answer = build_decoder("json", {}, DecodeLimits(entries=3))(value)
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.TOO_MANY_ENTRIES


@pytest.mark.parametrize("value", [b'{"a":' * 600 + b"1" + b"}" * 600 + b"{}", b'{}{"a":' + b"[" * 600])
def test_depth_is_bounded_there_too(value):
    answer = decode(value)
    assert (answer if isinstance(answer, Refusal) else answer[-1]).code is ReasonCode.TOO_DEEP
