"""Changes of a YAML text: what was to be changed is, and nothing else."""

from __future__ import annotations

import io
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.config.yaml_file import SOURCE_FILE, UnreadableYaml, parse_yaml
from pipeline.config.yaml_text import NotEditable, YamlText, scalar_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCALARS = (
    TEXTS
    | st.integers(-(10**30), 10**30)
    | st.booleans()
    | st.none()
    | st.sampled_from(["true", "null", "~", "12", "1e3", "no", "- a", "a: b", "#", "2026-11-11", "0x1f", "é", "金卡"])
)
NAMES = st.text("abcxyz_", min_size=1, max_size=8)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, min_size=1, max_size=4) | st.dictionaries(NAMES, inner, min_size=1, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(NAMES, TREES, min_size=1, max_size=4)


def read(text):
    return parse_yaml(Path("x.yaml"), text, SOURCE_FILE).content


def written(document, *, flow):
    """The document as ruamel.yaml writes it, and as it reads it back: some texts in flow style it writes so that nobody can."""
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = flow
    writer.allow_unicode = True
    writer.dump(document, stream)
    try:
        return stream.getvalue(), read(stream.getvalue())
    except UnreadableYaml:
        reject()


def places(tree, kinds, location=()):
    if isinstance(tree, kinds):
        yield location
    if isinstance(tree, dict | list):
        for step, each in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(each, kinds, (*location, step))


def at(tree, location):
    for step in location:
        tree = tree[step]
    return tree


@given(SCALARS)
def test_a_value_reads_back_as_it_was(value):
    assert read(f"a: {scalar_text(value)}\nb: {{c: {scalar_text(value)}}}\n") == {"a": value, "b": {"c": value}}


@given(st.data(), DOCUMENTS, st.booleans(), SCALARS)
def test_one_value_is_another_and_all_others_stay(data, document, flow, value):
    text, before = written(document, flow=flow)
    location = data.draw(
        st.sampled_from(
            [each for each in places(before, object) if not isinstance(at(before, each), dict | list)] or [None]
        )
    )
    if location is None:
        return
    edited = YamlText(text)
    edited.put(location, value)
    expected = deepcopy(before)
    at(expected, location[:-1])[location[-1]] = value
    assert read(str(edited)) == expected


@given(st.data(), DOCUMENTS, st.booleans(), st.dictionaries(NAMES, TREES, min_size=1, max_size=3))
def test_keys_of_a_mapping_are_exchanged_and_all_others_stay(data, document, flow, added):
    text, before = written(document, flow=flow)
    location = data.draw(st.sampled_from(list(places(before, dict))))
    removed = data.draw(st.sets(st.sampled_from(sorted(at(before, location)))))
    added = {f"new_{name}": each for name, each in added.items()}
    edited = YamlText(text)
    edited.rewrite(location, removed, added)
    expected = deepcopy(before)
    target = at(expected, location)
    for name in removed:
        del target[name]
    target.update(added)
    assert read(str(edited)) == expected


TEXT = """\
# head
cases:
  - name: a   # first
    events:
      - {code: x, n: 'one'}  # why
    # about the next
    more: |
      text

  # second
  - events: [1, 2]
    name: b
"""


def test_comments_quotes_and_blank_lines_stay():
    edited = YamlText(TEXT)
    edited.put(("cases", 0, "events", 0, "code"), "z")
    edited.rewrite(("cases", 1), ["events"], {"refused": "NOT_JSON"})
    assert str(edited) == TEXT.replace("code: x", "code: z").replace("events: [1, 2]", "refused: NOT_JSON")


def test_what_is_added_comes_behind_the_last_key_and_before_the_comments_of_the_next():
    edited = YamlText(TEXT)
    edited.rewrite(("cases", 0), [], {"filtered": True})
    assert str(edited) == TEXT.replace("      text\n", "      text\n    filtered: true\n")


def test_windows_ends_of_lines_stay():
    edited = YamlText(TEXT.replace("\n", "\r\n"))
    edited.rewrite(("cases", 0), ["events"], {"users": [{"a": 1, "b": {"c": 2}}]})
    assert "\n" not in str(edited).replace("\r\n", "")
    assert read(str(edited))["cases"][0]["users"] == [{"a": 1, "b": {"c": 2}}]


@pytest.mark.parametrize("location", [("a", "c"), ("b", "c"), ("d", 0), ("e", "c"), ("f", "c")])
def test_what_an_alias_stands_for_is_not_changed_behind_its_back(location):
    edited = YamlText("a: &a {c: 1}\nb: *a\nd: [*a]\ne: {<<: *a}\nf: {}\n")
    with pytest.raises(NotEditable):
        edited.put(location, 2)
