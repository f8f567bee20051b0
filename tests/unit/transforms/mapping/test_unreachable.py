"""Notes on conditions are made without a record and are true for every record; and the common mistakes are found."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.mapping import MappingSettings, compile_mapping, rule_notes
from transforms.mapping.conditions import compile_condition
from transforms.mapping.lint.condition_lines import lines_of_condition
from transforms.mapping.lint.contradictions import excluding, implies
from transforms.testing import entry

RULE = {"event_code": "e", "event_time": "$.ts", "customer_id": "$.user", "out_biz_id": "$.no"}

# Few values, of the types that conditions treat as equal or as different, so that two conditions often have one in common.
TEXTS = ["a", "ab", "ba", "", "1", "2", "2.0", "2.5", "true", "007", " 1"]
NUMBERS = [1, 2, 2.0, 2.5, 0.1, True, False, 10**23, 1e23]
VALUES = st.sampled_from([*TEXTS, *NUMBERS, None])
ORDERS = st.sampled_from(["gt", "ge", "lt", "le"])
EXPECTED = st.one_of(
    VALUES,
    st.lists(VALUES, min_size=1, max_size=3),
    st.builds(lambda operator, value: {operator: value}, st.just("ne"), VALUES),
    st.builds(lambda operator, values: {operator: values}, st.sampled_from(["in", "not_in"]), st.lists(VALUES, min_size=1, max_size=3)),
    st.builds(lambda there: {"exists": there}, st.booleans()),
    st.dictionaries(ORDERS, st.sampled_from([0, 1, 2, 2.5, 0.1, "a", "b", "1"]), min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["prefix", "suffix", "contains", "matches"]), st.sampled_from(["a", "ab", "1", ""]), min_size=1, max_size=2),
)  # fmt: skip
CONDITIONS = st.recursive(
    st.dictionaries(st.sampled_from(["x", "$.x", "y.z"]), EXPECTED, min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=4,
)
FOUND = st.sampled_from([*TEXTS, *NUMBERS, None, Decimal("0.1"), Decimal("2.00"), Decimal("1e23"), ["a"], ["ab", 1], {"q": 1}, "abab", "b", 3])  # fmt: skip
ENTRIES = st.builds(entry, st.fixed_dictionaries({}, optional={"x": FOUND, "y": st.fixed_dictionaries({"z": FOUND})}))


@given(CONDITIONS, CONDITIONS, st.lists(ENTRIES, min_size=1, max_size=20))
@example({"x": 10**23}, {"x": {"not_in": [1e23]}}, [entry({"x": "100000000000000000000000"})])
@example(
    {"x": 0.1}, {"x": {"le": 0.1}}, [entry({"x": Decimal("0.1000000000000000055511151231257827021181583404541015625")})]
)
@example({"x": {"ge": 1}}, {"x": {"ge": "1"}}, [entry({"x": 1})])
@example({"x": 1}, {"x": True}, [entry({"x": 1})])
@example({"not": {"x": 1, "y.z": 1}}, {"x": {"ne": 1}}, [entry({"x": 1})])
def test_what_is_said_to_follow_does(one, other, entries):
    first, second = lines_of_condition(one), lines_of_condition(other)
    if not implies(first, second):
        return
    given_, wanted = compile_condition(one, ()), compile_condition(other, ())
    for made in entries:
        assert wanted.holds(made) or not given_.holds(made), made.fields


@given(CONDITIONS, CONDITIONS, st.lists(ENTRIES, min_size=1, max_size=20))
@example({"x": 10**23}, {"x": 1e23}, [entry({"x": "100000000000000000000000"})])
@example({"x": 2}, {"x": "2"}, [entry({"x": 2})])
@example({"x": 2}, {"x": 2.0}, [entry({"x": 2})])
@example({"x": {"lt": 2}}, {"x": {"ge": "1"}}, [entry({"x": "1"})])
@example({"x": {"ge": 2}}, {"x": {"le": 2}}, [entry({"x": 2})])
def test_what_is_said_to_exclude_each_other_does(one, other, entries):
    if excluding((*lines_of_condition(one), *lines_of_condition(other))) is None:
        return
    both = compile_condition({"all": [one, other]}, ())
    assert not any(both.holds(made) for made in entries)


@given(
    st.lists(st.tuples(st.none() | CONDITIONS, st.sampled_from(["e", "f"])), min_size=1, max_size=5),
    st.lists(ENTRIES, min_size=1, max_size=20),
)
def test_a_rule_that_is_said_never_to_match_never_does(whens, entries):
    rules = [{**RULE, "customer_id": "@topic", "event_time": "@timestamp", "out_biz_id": "@topic", "when": when, "event_code": f"{code}{place}"} for place, (when, code) in enumerate(whens)]  # fmt: skip
    settings = MappingSettings.model_validate({"events": rules, "match": "first"})
    dead = {note.location[1] for note in rule_notes(settings) if "never" in note.text and "any" not in note.location}
    mapper = compile_mapping(settings)
    for made in entries:
        matched = {
            place
            for place, trace in enumerate(mapper.explain(entry(made.fields, timestamp=1_700_000_000_000)))
            if trace.matched
        }
        assert not matched & dead


def notes(*rules, match="first", **more):
    events = [{**RULE, "event_code": f"e{place}", **rule} for place, rule in enumerate(rules)]
    return [
        (note.location, note.text)
        for note in rule_notes(MappingSettings.model_validate({"events": events, "match": match, **more}))
    ]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (None, {"type": "a"}),
        ({}, None),
        ({"type": "a"}, {"$.type": "a"}),
        ({"type": "a"}, {"type": "a", "n": 1}),
        ({"type": ["a", "b"]}, {"type": "b"}),
        ({"type": ["c", "b", "a"]}, {"type": {"in": ["a", "b"]}}),
        ({"any": [{"type": "a"}, {"type": "b"}]}, {"type": "b"}),
        ({"any": [{"type": "a"}, {"type": "b"}]}, {"any": [{"type": "a"}, {"type": "b"}], "n": 1}),
        ({"not": {"a": 1, "b": 1}}, {"not": {"a": 1, "$.b": 1}, "n": 1}),
        ({"n": {"gt": 0}}, {"n": {"ge": 1, "le": 5}}),
        ({"n": {"gt": 5}}, {"n": {"gt": 5}}),
        ({"n": {"le": 5}}, {"n": {"lt": 5}}),
        ({"n": {"lt": 5}}, {"n": {"lt": 4.5}}),
        ({"day": {"ge": "2026"}}, {"day": {"gt": "2026-11"}}),
        ({"phone": {"ne": None}}, {"phone": {"not_in": [None, ""]}}),
        ({"type": {"ne": "test"}}, {"type": "paid"}),
        ({"not": {"type": ["x", "y"]}}, {"type": "a"}),
        ({"$item.qty": {"gt": 0}}, {"type": "a"}),
    ],
)  # fmt: skip
def test_with_match_first_a_rule_behind_one_that_takes_all_its_records_is_seen(earlier, later):
    first = {"when": earlier} | ({"for_each": "$.items"} if earlier and "$item.qty" in earlier else {})
    ((location, text),) = notes(first, {"when": later})
    assert location == ("events", 1)
    assert "can never match (match: first): events[0] before it matches every record" in text
    assert not notes(first, {"when": later}, match="all")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"type": "a"}, {"type": "b"}),
        ({"type": "a", "n": 1}, {"type": "a"}),
        ({"n": 200}, {"n": ["200", 201]}),
        ({"n": {"gt": 5}}, {"n": {"ge": 5}}),
        ({"n": {"ge": "5"}}, {"n": {"ge": 5}}),
        ({"path": {"prefix": "/pay/"}}, {"path": {"prefix": "/pay"}}),
        ({"tags": {"contains": "vip"}}, {"tags": {"contains": "vip2"}}),
        ({"n": {"lt": 5}}, {"not": {"n": {"ge": 5}}}),
        ({"text": {"prefix": "2"}}, {"text": 2}),
        ({"n": 1}, {"n": True}),
        ({"n": {"gt": "1"}}, {"n": {"gt": 2}}),
        ({"not": {"a": 1, "b": 1}}, {"a": {"ne": 1}}),
        ({"any": [{"type": "a", "n": 1}, {"type": "b"}]}, {"type": ["a", "b"]}),
    ],
)  # fmt: skip
def test_a_rule_that_some_record_reaches_is_not_complained_of(earlier, later):
    assert notes({"when": earlier}, {"when": later}) == []


def test_rules_that_take_all_records_only_together_are_not_looked_through():
    assert notes({"when": {"type": "a"}}, {"when": {"type": "b"}}, {"when": {"type": ["a", "b"]}}) == []


@pytest.mark.parametrize(
    "when",
    [
        {"type": "a", "all": [{"type": "b"}]},
        {"type": "a", "$.type": "b"},
        {"n": {"gt": 5, "lt": 3}},
        {"n": {"gt": 5, "le": 5}},
        {"type": "a", "not": {"type": ["a", "b"]}},
        {"not": {"not": {"type": "a"}}, "type": "b"},
        {"day": {"ge": "2026-02"}, "$.day": {"lt": "2026-01"}},
        {"phone": None, "$.phone": {"matches": "1"}},
        {"phone": {"exists": False, "prefix": "1"}},
        {"n": {"in": [1, 2]}, "all": [{"n": {"not_in": [2, 1, 3]}}]},
    ],
)
def test_a_condition_that_can_never_hold_is_seen(when):
    ((location, text),) = notes({"when": when}, match="all")
    assert location == ("events", 0, "when")
    assert text.startswith("can never hold: ")
    assert text.endswith(" exclude each other")


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ({"type": "a", "all": [{"type": "b"}]}, 'type = "a" and type = "b"'),
        ({"n": {"gt": 5, "lt": 3}}, "n gt 5 and n lt 3"),
        ({"$['a'].b[0]": None, "not": {"a.b[0]": {"in": [None, 1]}}}, "a.b[0] = null and a.b[0] not_in [null, 1]"),
        (
            {"type": ["a", "b"], "all": [{"type": {"ne": "a", "not_in": ["b", "a"]}}]},
            'type in ["a", "b"] and type not_in ["b", "a"]',
        ),
    ],
)
def test_the_conditions_that_exclude_each_other_are_named(when, says):
    ((_, text),) = notes({"when": when}, match="all")
    assert text == f"can never hold: {says} exclude each other"


@pytest.mark.parametrize(
    ("when", "location", "says"),
    [
        ({"any": [{"type": "a"}, {"type": "b", "$.type": "c"}]}, ("any", 1), 'type = "b" and type = "c"'),
        ({"type": "a", "any": [{"type": "b"}, {"n": 1}]}, ("any", 0), 'type = "a" and type = "b"'),
        ({"all": [{"any": [{"n": {"le": 1}}, {"n": 2}]}, {"n": {"gt": 1}}]}, ("all", 0, "any", 0), "n gt 1 and n le 1"),
        ({"type": "a", "any": [{"n": 1}, {"all": [{"m": 1}, {"any": [{"m": 2}, {"k": 1}]}]}]}, ("any", 1, "all", 1, "any", 0), "m = 1 and m = 2"),
        ({"$item.q": 2, "any": [{"$item.q": 1}, {"n": 1}]}, ("any", 0), "$item.q = 2 and $item.q = 1"),
    ],
)  # fmt: skip
def test_one_of_several_conditions_that_can_never_hold_is_seen(when, location, says):
    for_each = {"for_each": "$.items"} if "$item.q" in when else {}
    ((place, text),) = notes({"when": when, **for_each}, match="all")
    assert place == ("events", 0, "when", *location)
    assert text == f"can never hold: {says} exclude each other"


@given(CONDITIONS, st.lists(ENTRIES, min_size=1, max_size=20))
@example({"any": [{"any": [{"x": 1, "$.x": 2}]}, {"x": 3}]}, [entry({"x": 3})])
def test_a_condition_that_is_said_never_to_hold_can_be_put_as_one_that_never_does(when, entries):
    rule = {**RULE, "customer_id": "@topic", "event_time": "@timestamp", "out_biz_id": "@topic", "when": when}
    for note in rule_notes(MappingSettings.model_validate({"events": [rule]})):
        put = {"when": deepcopy(when)}
        *path, place = note.location[2:]
        inner = put
        for step in path:
            inner = inner[step]
        inner[place] = {"all": [{"q": 1}, {"q": 2}]}
        before, after = (compile_condition(each, ()) for each in (when, put["when"]))
        for made in entries:
            assert before.holds(made) is after.holds(made)


def test_the_same_rule_twice_is_seen():
    same = {"when": {"n": 1, "any": [{"type": "a"}, {"type": "b"}]}, "event_code": "e"}
    twin = {"when": {"all": [{"any": [{"$.type": "a"}, {"type": "b"}]}, {"$.n": [1]}]}, "event_code": "e"}
    ((location, text),) = notes(same, twin, match="all")
    assert location == ("events", 1)
    assert "has the condition of events[0], and makes the same event of the same records" in text
    assert not notes(same, {**same, "event_code": "other"}, match="all")
    assert not notes(same, {**same, "for_each": "$.items", "out_biz_id": "$item.no"}, match="all")
    user = {"customer_id": "$.u", "identities": {"mobile": "$.m"}}
    (note,) = notes(same, users=[user, {**user, "identities": {"email": "$.m"}}, user])
    assert note == (("users", 2), "has the condition of users[0], and makes the same identities of the same records")
