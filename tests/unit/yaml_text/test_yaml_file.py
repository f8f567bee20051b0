"""YAML as people write it: the scalars that stay text, and the messages for a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.yaml_text.interpolate import interpolate
from pipeline.yaml_text.yaml_file import UnreadableYaml, parse_yaml


def read(text):
    return parse_yaml(Path("x.yaml"), text).content


def fault(text):
    with pytest.raises(UnreadableYaml) as error:
        read(text)
    return str(error.value)


@given(st.from_regex(r"0[0-9]{1,6}|[1-9][0-9]{0,5}|[0-9]\.[0-9]{1,3}|true|null|~|2026-11-11", fullmatch=True))
def test_a_key_is_the_text_that_is_written(key):
    assert read(f"{key}: x\n") == {key: "x"}
    assert read(f"t: {{{key}: x}}\n") == {"t": {key: "x"}}


def test_two_keys_that_are_written_alike_are_the_same_key_in_quotes_or_not():
    assert "x.yaml:2: 1: found the same key a second time" in fault('1: a\n"1": b\n')


@pytest.mark.parametrize("code", ["007", "010", "08", "00", "-01", "01.50", "010000000000000000000000"])
def test_a_number_with_leading_zeros_is_a_code(code):
    assert read(f"a: {code}\nb: [{code}]\n") == {"a": code, "b": [code]}


@pytest.mark.parametrize(
    ("written", "wanted"), [("0", 0), ("-0", 0), ("0.5", 0.5), ("10", 10), ("0x1F", 31), ("1e3", 1000.0)]
)
def test_other_numbers_are_numbers(written, wanted):
    found = read(f"a: {written}\n")["a"]
    assert found == wanted
    assert type(found) is type(wanted)


def test_true_with_an_anchor_is_true():
    assert read("a: &yes true\nb: *yes\nc: &no false\n") == {"a": True, "b": True, "c": False}
    assert read("a: &yes true\n")["a"] is True


@pytest.mark.parametrize(
    ("text", "line", "said", "expected"),
    [
        ("a: {{ $.x }}\n", 1, "a key that is no text", "a template stands in quotes"),
        ("a:\n  b: {c: {{ $.x }}}\n", 2, "a key that is no text", "a template stands in quotes"),
        ("? [a, b]\n: c\n", 1, "a key that is no text", "a text"),
        ("a: 1\nb: 'x\nc: 2\n", 2, "a quote that is not closed", "another one"),
        ("a: 1\nb: {c: $.o | split(',', 1)}\nd: 2\n", 2, "a quote that is not closed", "a text with a comma"),
        ("a:\n\tb: 1\n", 2, "'\\t'", "spaces, and no tab"),
        ("a: @timestamp\n", 1, "'@'", "quotes around a text that begins so"),
        ("a: `x`\n", 1, "'`'", "quotes around a text that begins so"),
        ("a: %d\n", 1, "'%'", "quotes around a text that begins so"),
        ("a: $.x | default('b: c')\n", 1, "mapping values", "quotes around a text with a colon"),
        ("a: 1\n  b: 2\n", 2, "mapping values", "in the column of the one before"),
        ("a:\n  b: 1\n c: 2\n", 3, "block mapping start", "in the column of the others"),
        ("a: \"$.v | extract('(\\d+)')\"\n", 1, "escape character 'd'", "single quotes around a text with backslashes"),
        ("a: {b: $.c[0].d}\n", 1, "but got '['", "quotes around a text with brackets"),
        ("a: {b: $.c[*].d}\n", 1, "found ']'", "quotes around a text with brackets"),
        ("a: [$.b | default({})]\n", 1, "but got '{'", "quotes around a text with brackets"),
        ("a: 'it's'\n", 1, "'<scalar>'", "the other kind within"),
        ("a: '{{ $.x }}' | trim\n", 1, "a comment or a line break", "one pair of quotes around all"),
        ("a: [1, 2\nb: 3\n", 2, "got ':'", "that closes"),
        ("a: [1, 2\n", 2, "stream end", "that closes"),
        ('a: "\\ud800"\n', 1, "half of a surrogate pair", "text"),
        ('a: 1\n"\\udfff": 1\n', 2, "half of a surrogate pair", "text"),
        ("a: 1\nb: x\x00y\n", 2, "the character U+0000", "text without it"),
        ("a: 中\nb: x\x1fy\n", 2, "the character U+001F", "text without it"),
        ("a: !!binary aGVsbG8=\n", 1, "of a kind that is none here", "a text, a number"),
        ("a: !!set {x, y}\n", 1, "of a kind that is none here", "a text, a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_which_line_and_what_would_be_right(text, line, said, expected):
    found = fault(text)
    assert found.startswith(f"x.yaml:{line}: ")
    before, _, after = found.partition("; expected ")
    assert said in before
    assert expected in after


def test_a_variable_that_is_no_text_is_a_fault():
    faults = []
    assert interpolate({"a": "x-${A}"}, {"A": "\udcff"}, faults) == {"a": "x-"}
    assert faults == [(("a",), "found ${A}, whose value is no UTF-8 text", "expected text")]
