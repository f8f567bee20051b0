"""Paths and attribute texts: their values in any entry."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.attribute import attribute_string
from transforms.fault import BadExpression
from transforms.fields import compile_path
from transforms.testing import entry
from transforms.values.text import Inconvertible, text_or_none

NAMES = st.sampled_from(["a", "b", "名", "x.y", "x y", "it's", "0"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.decimals()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)
STEPS = st.lists(NAMES | st.integers(-3, 3), max_size=6)


def written(steps):
    return "$" + "".join(
        f"[{step}]" if isinstance(step, int) else (f'["{step}"]' if "'" in step else f"['{step}']") for step in steps
    )


def walked(value, steps):
    """The meaning of a path, in the simplest code."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return None
            value = value[step]
        else:
            if not isinstance(value, Mapping):
                return None
            value = value.get(step)
    return value


@given(st.dictionaries(NAMES, JSON, max_size=5), STEPS)
def test_a_path_of_any_depth_finds_what_stands_there(fields, steps):
    assert compile_path(written(steps))(entry(fields)) is walked(fields, steps)


@given(st.data())
def test_a_path_to_something_that_is_there_finds_it(data):
    fields = data.draw(st.dictionaries(NAMES, JSON, min_size=1))
    steps, value = [], fields
    while isinstance(value, dict | list) and value:
        step = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else list(range(len(value)))))
        steps.append(step)
        value = value[step]
    assert compile_path(written(steps))(entry(fields)) is value


def test_a_mapping_that_is_no_dict_is_walked_at_any_depth():
    fields = MappingProxyType({"a": MappingProxyType({"b": MappingProxyType({"c": MappingProxyType({"d": 1})})})})
    for path, wanted in (("$.a.b.c.d", 1), ("$.a.b.c", {"d": 1}), ("$.a.b", {"c": {"d": 1}})):
        assert compile_path(path)(entry(fields)) == wanted


def test_a_text_is_no_list():
    assert compile_path("$.a[0]")(entry({"a": "text"})) is None


@pytest.mark.parametrize(
    "path", ["$a", "$.", "$..a", "$.a[", "$.a[x]", "$.a b", "$.a[1.5]", "$['a]", "$.a[٣]", "$." + "a" * 500]
)
def test_what_is_no_path_is_said_so(path):
    with pytest.raises(BadExpression, match="path"):
        compile_path(path)


@pytest.mark.parametrize(
    ("path", "near"),
    [("@tpic", "'@topic'"), ("@headers", "@headers.NAME"), ("@", "@headers.NAME"), ("@headers.", "@headers.NAME")],
)
def test_an_unknown_place_names_the_right_ones(path, near):
    with pytest.raises(BadExpression) as bad:
        compile_path(path)
    assert near in bad.value.expected


def test_a_record_s_place_is_available():
    made = entry({}, topic="t", partition=3, offset=9, timestamp=1_700_000_000_000, key=b"k", headers=[("h", b"1"), ("h", b"2"), ("n", None)])  # fmt: skip
    found = {path: compile_path(path)(made) for path in ("@topic", "@partition", "@offset", "@timestamp", "@key", "@headers.h", "@headers.n", "@headers.x")}  # fmt: skip
    assert found == {"@topic": "t", "@partition": 3, "@offset": 9, "@timestamp": 1_700_000_000_000, "@key": "k", "@headers.h": "1", "@headers.n": None, "@headers.x": None}  # fmt: skip
    assert compile_path("@timestamp")(entry({}, timestamp=-1)) is None
    assert compile_path("@key")(entry({}, key=None)) is None


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_two_keys_that_are_no_text_do_not_become_one(one, other):
    if b"\\" in one + other:
        return  # such a key may look like an escape
    read = compile_path("@key")
    assert (read(entry({}, key=one)) == read(entry({}, key=other))) == (one == other)


@given(JSON)
def test_the_fast_way_to_an_attribute_s_text_is_the_rule_s(value):
    assert text_or_none(value) == attribute_string(value)


@pytest.mark.parametrize(
    "value",
    [-0.0, 1e16, 1e22, 5e-324, 0.1, 1e-5, 10**18, -(10**18), 10**5000, True, Decimal("1E+3")],
    ids=lambda _: "edge",
)
def test_the_fast_way_is_right_at_its_edges(value):
    assert text_or_none(value) == attribute_string(value)


def test_what_json_cannot_hold_has_no_text():
    for value in (b"x", {1, 2}, object()):
        with pytest.raises(Inconvertible):
            text_or_none(value)
