"""Edits of a YAML text: they change the given location and nothing else."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.yaml_text.yaml_editor import YamlEditor
from pipeline.yaml_text.yaml_file import SOURCE_FILE, UnreadableYaml, parse_yaml
from pipeline.yaml_text.yaml_layout import NotEditable
from pipeline.yaml_text.yaml_writer import flow_text, scalar_text

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
LISTS = st.dictionaries(NAMES, st.lists(TREES, min_size=1, max_size=5), min_size=1, max_size=3)
FLOWS = st.sampled_from([True, False, None])
"""The collections that are in brackets: all, none, or the innermost ones."""


def read(text):
    return parse_yaml(Path("x.yaml"), text, SOURCE_FILE).content


def written(document, *, flow):
    """Return the document as ruamel.yaml writes it, and as it reads that again: it writes some texts in flow style so that they cannot be read."""
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


@given(st.data(), DOCUMENTS, FLOWS, SCALARS)
def test_one_value_is_another_and_all_others_stay(data, document, flow, value):
    text, before = written(document, flow=flow)
    location = data.draw(
        st.sampled_from(
            [each for each in places(before, object) if not isinstance(at(before, each), dict | list)] or [None]
        )
    )
    if location is None:
        return
    edited = YamlEditor(text)
    edited.replace(location, value)
    expected = deepcopy(before)
    at(expected, location[:-1])[location[-1]] = value
    assert read(edited.text) == expected


@given(st.data(), DOCUMENTS, FLOWS, st.dictionaries(NAMES, TREES, min_size=1, max_size=3))
def test_keys_of_a_mapping_are_exchanged_and_all_others_stay(data, document, flow, added):
    text, before = written(document, flow=flow)
    location = data.draw(st.sampled_from(list(places(before, dict))))
    removed = data.draw(st.sets(st.sampled_from(sorted(at(before, location)))))
    added = {f"new_{name}": each for name, each in added.items()}
    edited = YamlEditor(text)
    edited.rewrite(location, removed, added)
    expected = deepcopy(before)
    target = at(expected, location)
    for name in removed:
        del target[name]
    target.update(added)
    assert read(edited.text) == expected


@given(st.data(), DOCUMENTS | LISTS, FLOWS, st.lists(TREES, max_size=3))
def test_elements_of_a_list_go_and_come_others_change_and_all_else_stays(data, document, flow, added):
    """The order of the edits does not matter. A list without elements disappears; an element that begins on another one's line is not removed."""
    text, before = written(document, flow=flow)
    lists = [each for each in places(before, list) if each and at(before, each)]
    location = data.draw(st.sampled_from(lists or [None]))
    if location is None:
        return
    elements = at(before, location)
    removed = data.draw(st.sets(st.integers(0, len(elements) - 1)))
    singles = [each for each in places(before, object) if not isinstance(at(before, each), dict | list)]
    kept = [each for each in singles if each[: len(location)] != location or each[len(location)] not in removed]
    changed = data.draw(st.lists(st.sampled_from(kept), max_size=3, unique=True)) if kept else []
    added = added if isinstance(location[-1], str) else []
    expected, edited = deepcopy(before), YamlEditor(text)
    changes = [lambda: edited.append(location, added)]
    for each in changed:
        at(expected, each[:-1])[each[-1]] = "changed"
        changes.append(lambda each=each: edited.replace(each, "changed"))
    changes += [lambda place=place: edited.remove((*location, place)) for place in removed]
    at(expected, location)[:] = [
        each for place, each in enumerate(at(expected, location)) if place not in removed
    ] + added
    if not at(expected, location):
        at(expected, location[:-1])[location[-1]] = None
    try:
        for change in data.draw(st.permutations(changes)):
            change()
    except NotEditable:
        assert flow is not True
        assert isinstance(location[-1], int)
        assert 0 in removed
        return
    after = read(edited.text)
    if not at(after, location):
        at(after, location[:-1])[location[-1]] = None
    assert after == expected


@given(st.data(), LISTS, FLOWS, st.sampled_from([None, []]), st.lists(TREES, min_size=1, max_size=3))
def test_a_list_that_is_not_there_or_has_nothing_is_filled(data, document, flow, nothing, added):
    text, before = written({**document, "inner": {**document, "empty": nothing}}, flow=flow)
    location = data.draw(st.sampled_from([("new",), ("inner", "new"), ("inner", "empty")]))
    edited, expected = YamlEditor(text), deepcopy(before)
    edited.append(location, added)
    at(expected, location[:-1])[location[-1]] = added
    assert read(edited.text) == expected


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
    edited = YamlEditor(TEXT)
    edited.replace(("cases", 0, "events", 0, "code"), "z")
    edited.rewrite(("cases", 1), ["events"], {"refused": "NOT_JSON"})
    assert edited.text == TEXT.replace("code: x", "code: z").replace("events: [1, 2]", "refused: NOT_JSON")


def test_what_is_added_comes_behind_the_last_key_and_before_the_comments_of_the_next():
    edited = YamlEditor(TEXT)
    edited.rewrite(("cases", 0), [], {"filtered": True})
    assert edited.text == TEXT.replace("      text\n", "      text\n    filtered: true\n")


def test_windows_ends_of_lines_stay():
    edited = YamlEditor(TEXT.replace("\n", "\r\n"))
    edited.rewrite(("cases", 0), ["events"], {"users": [{"a": 1, "b": {"c": 2}}]})
    assert "\n" not in edited.text.replace("\r\n", "")
    assert read(edited.text)["cases"][0]["users"] == [{"a": 1, "b": {"c": 2}}]


@pytest.mark.parametrize("location", [("a", "c"), ("b", "c"), ("d", 0), ("e", "c"), ("f", "c")])
def test_what_an_alias_stands_for_is_not_changed_behind_its_back(location):
    edited = YamlEditor("a: &a {c: 1}\nb: *a\nd: [*a]\ne: {<<: *a}\nf: {}\n")
    with pytest.raises(NotEditable):
        edited.replace(location, 2)


@pytest.mark.parametrize(
    ("text", "removed", "added", "expected"),
    [
        ("a: [1, 2, 3]", [0], [], "a: [2, 3]"),
        ("a: [1, 2, 3]", [1, 2], [], "a: [1]"),
        ("a: [1, 2, 3]", [1], [], "a: [1, 3]"),
        ("a: [1, 2, 3]", [1, 2], [4], "a: [1, 4]"),
        ("a: [1, 2, ]", [1], [], "a: [1, ]"),
        ("a: [ 1, 2 ]", [1], [], "a: [ 1 ]"),
        ("a: [ 1, 2 ]", [0, 1], [], "a: [  ]"),
        ("a: [1, 2, ]", [0, 1], [3], "a: [3, ]"),
        ("a: [1, 2, ]", [0, 1], [], "a: []"),
        ("a: &x [1]", [], [2], "a: &x [1, 2]"),
        ("a: &x []\nb: {}\n", [], [2], "a:\n  - 2\nb: {}\n"),
        ("a: [\n  1, # one\n  2, # two\n]", [1], [3], "a: [\n  1, # one\n  3, # two\n]"),
        ("a: [\n  1, # one\n  2, # two\n]", [0], [3], "a: [\n  2, 3, # two\n]"),
        ("a: [\n  1, # one\n  2, # two\n]", [1], [], "a: [\n  1, # one\n]"),
        ("a: [\n  1, # one\n  2 # two\n]", [1], [], "a: [\n  1 # one\n]"),
        ("a: [\n  1,\n  # about 2\n  2,\n]", [0], [], "a: [\n  # about 2\n  2,\n]"),
        (
            "a: [\n  {b: 1},\n  {b: 2}\n]\nb: 1",
            [],
            [{"b": 3}, 4],
            "a: [\n  {b: 1},\n  {b: 2},\n  {b: 3},\n  4\n]\nb: 1",
        ),
        ("a: [\n  1,\n  2,\n]", [1], [3, 4], "a: [\n  1,\n  3,\n  4,\n]"),
        ("a: [\n  {b: 1},\n  {b: 2}\n]\nb: 1", [1], [], "a: [\n  {b: 1}\n]\nb: 1"),
        ("a: [\n  # none yet\n]\nb: 1", [], [1], "a: [1\n  # none yet\n]\nb: 1"),
        ("a:\n- 1\n  # of 1\n# of b\nb: 2", [], [3], "a:\n- 1\n  # of 1\n- 3\n# of b\nb: 2"),
        ("a:\n- 1\n\n- 2\n\nb: 3", [1], [4], "a:\n- 1\n\n- 4\n\nb: 3"),
        ("a:\n- 1\n- 2", [1], [], "a:\n- 1\n"),
        ("a:\n- b:\n...\n", [0], [], "a:\n...\n"),
        ("a:\n- b:\n# of c\n\nc: 1\n", [0], [], "a:\n# of c\n\nc: 1\n"),
        ("a:\n- b: # of b\n  # of 1\n# of c\n\nc: 1\n", [], [2], "a:\n- b: # of b\n  # of 1\n- 2\n# of c\n\nc: 1\n"),
        ("a:\n# of a\n\n# of c\nc: 1\n", [], [2], "a:\n  - 2\n# of a\n\n# of c\nc: 1\n"),
        ("a: ~ # of a\nc: 1\n", [], [2], "a: # of a\n  - 2\nc: 1\n"),
        ("a: [{b: }, {b}, {b:}, 3]", [0, 1, 2], [], "a: [3]"),
        ("a:\n- 1\n- 2", [], [3], "a:\n- 1\n- 2\n- 3\n"),
    ],
)
def test_commas_comments_and_blank_lines_of_a_list_fit_what_is_left(text, removed, added, expected):
    edited = YamlEditor(text)
    for place in removed:
        edited.remove(("a", place))
    edited.append(("a",), added)
    assert edited.text == expected
    assert read(edited.text)["a"] == read(expected)["a"]


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("a: [&x 1, *x]", lambda e: e.append(("a",), [2])),
        ("a: [&x 1, 2, *x]", lambda e: e.remove(("a", 1))),
        ("a:\n- &x 1\n- 2\n- *x\n", lambda e: e.append(("a",), [2])),
        ("a:\n- &x 1\n- 2\nb: *x\n", lambda e: e.remove(("a", 0))),
        ("a:\n- {c: &x 1}\nb: *x\n", lambda e: e.remove(("a", 0))),
        ("a: &x\n- 1\nb: *x\n", lambda e: e.append(("b",), [2])),
        ("a: &x\n- 1\n", lambda e: e.append(("a",), [2])),
        ("a: {c: &x 1}\nb: *x\n", lambda e: e.rewrite(("a",), ["c"], {"d": 1})),
        ("a: [1]", lambda e: e.remove(("a", 1))),
        ("a: 1", lambda e: e.remove(("a", 0))),
        ("a: 1", lambda e: e.rewrite(("a",), [], {"b": 1})),
        ("a:\nb: 1", lambda e: e.replace(("a",), 2)),
    ],
)
def test_what_cannot_be_edited_alone_is_refused_by_every_edit(text, edit):
    with pytest.raises(NotEditable):
        edit(YamlEditor(text))


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("'x'", "it's", "'it''s'"),
        ('"x"', "y", '"y"'),
        ("'x'", "a\nb", '"a\\nb"'),
        ("x", "y: z", '"y: z"'),
        ("'1'", 2, "2"),
    ],
)
def test_what_stands_in_quotes_stays_in_quotes(written, value, expected):
    edited = YamlEditor(f"a: {written} # why\n")
    edited.replace(("a",), value)
    assert edited.text == f"a: {expected} # why\n"
    assert read(edited.text) == {"a": value}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_that_belong_to_a_text_stay_with_it(end):
    text = f"a:{end}  b: |+{end}    c{end}{end}{end}d: 1{end}"
    edited = YamlEditor(text)
    edited.rewrite(("a",), [], {"e": 2})
    assert edited.text == text.replace("d:", f"  e: 2{end}d:")
    assert read(edited.text) == {"a": {"b": "c\n\n\n", "e": 2}, "d": 1}


def test_what_is_in_the_way_has_its_line():
    with pytest.raises(NotEditable) as found:
        YamlEditor("b: 1\na: &x\n  c: 1\nd: *x\n").replace(("d", "c"), 2)
    assert found.value.line == 2


@pytest.mark.parametrize("indent", [None, 2])
def test_what_is_json_stays_json(indent):
    before = {"a": [{"b": "x", "c": [1]}, {"b": "y"}], "d": {}}
    edited = YamlEditor(json.dumps(before, indent=indent))
    edited.replace(("a", 0, "b"), "z\u0085")
    edited.append(("a", 0, "c"), ["店"])
    edited.append(("a",), [{"b": "no", "e": None}])
    edited.remove(("a", 1))
    edited.append(("f",), [{"g": 1.5}])
    edited.rewrite(("d",), [], {"h": True, "i": "1"})
    assert json.loads(edited.text) == {
        "a": [{"b": "z\u0085", "c": [1, "店"]}, {"b": "no", "e": None}],
        "d": {"h": True, "i": "1"},
        "f": [{"g": 1.5}],
    }


def test_several_keys_of_one_mapping_in_brackets_are_exchanged():
    edited = YamlEditor("a: {b: 1, c: [3], d: 2}\n")
    edited.rewrite(("a",), ["b"], {"e": {"f": [1, "g h"]}})
    edited.rewrite(("a",), ["d"], {"h": None})
    assert edited.text == "a: {c: [3], e: {f: [1, g h]}, h: null}\n"
    one = YamlEditor("a: [b: 1]\n")
    one.rewrite(("a", 0), [], {"c": 2})
    assert read(one.text) == {"a": [{"b": 1, "c": 2}]}


@given(TREES)
def test_a_value_on_one_line_reads_back_as_it_was(value):
    assert read(f"a: {flow_text(value)}\nb:\n- {flow_text(value)}\n") == {"a": value, "b": [value]}


def test_edits_that_meet_are_a_mistake():
    edited = YamlEditor("a:\n- {b: 1}\n")
    edited.remove(("a", 0))
    edited.replace(("a", 0, "b"), 2)
    with pytest.raises(ValueError, match="two edits overlap"):
        _ = edited.text
