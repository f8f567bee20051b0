from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal


def key_value(**options):
    return build_decoder("key_value", options, DecodeLimits())


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs"], exclude_characters='|:"\\'), min_size=1, max_size=6
).filter(str.split)
QUOTED = st.text(st.sampled_from('ab|: "付'), max_size=8)


@given(fields=st.dictionaries(TEXT, QUOTED, min_size=1, max_size=4))
def test_quoted_values_hold_separators_and_quotes(fields):
    escaped = {key: value.replace('"', '\\"') for key, value in fields.items()}
    line = "|".join(f'{key}:"{value}"' for key, value in escaped.items())
    decode = key_value(pair_separator="|", key_separator=":")
    assert decode(line.encode()) == fields


@given(
    fields=st.dictionaries(TEXT, TEXT, min_size=1, max_size=4),
    pairs=st.sampled_from(["|", "||", ";", "&"]),
    keys=st.sampled_from([":", "=", "=>"]),
)
def test_any_separators_will_do(fields, pairs, keys):
    for mark in {*pairs, *keys}:
        fields = {key.replace(mark, "") or "k": value.replace(mark, "") for key, value in fields.items()}
    line = pairs.join(f"{key} {keys} {value}" for key, value in fields.items())
    assert key_value(pair_separator=pairs, key_separator=keys)(line.encode()) == {
        key.strip(): value for key, value in fields.items()
    }


@pytest.mark.parametrize(
    ("options", "line", "fields"),
    [
        ({"pair_separator": "|", "key_separator": ":"}, "uid:7|act:pay|amt:12.50|", {"uid": "7", "act": "pay", "amt": "12.50"}),
        ({}, "a=1  b=2 flag", {"a": "1", "b": "2", "flag": True}),
        ({}, 'a="" b="x"  c=1', {"a": "", "b": "x", "c": "1"}),
        ({}, 'a="x y" b=2', {"a": "x y", "b": "2"}),
        ({"pair_separator": "&"}, "a=1&&b=2=3&a=4", {"a": "4", "b": "2=3"}),
        ({"pair_separator": ",", "quote": ""}, 'a="1,b=2', {"a": '"1', "b": "2"}),
        ({"pair_separator": ",", "quote": "'"}, "a='1,2' , b = 'it\\'s'", {"a": "1,2", "b": "it's"}),
        ({"pair_separator": "\x01"}, "8=FIX\x0135=D", {"8": "FIX", "35": "D"}),
    ],
)  # fmt: skip
def test_lines_as_they_are_written(options, line, fields):
    assert key_value(**options)(line.encode()) == fields


@pytest.mark.parametrize("line", ["", "a", "a b c", 'a="x', 'a="x\\"', 'a="x"y', 'a="x"y b="z"'])
def test_what_holds_no_pairs_is_refused(line):
    answer = key_value()(line.encode())
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.NO_MATCH


@pytest.mark.parametrize(
    "options",
    [
        {"pair_separator": "="},
        {"key_separator": "a=", "pair_separator": "="},
        {"quote": "="},
        {"quote": "ab"},
        {"pair_separator": ""},
    ],
)
def test_separators_that_cannot_be_told_apart_are_refused(options):
    with pytest.raises(ValueError, match=r"separators|at most|at least"):
        key_value(**options)
