"""Conditions: each is true or false for every entry; combined ones follow logic; the index of many rules skips no rule that matches."""

from __future__ import annotations

import operator
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.base import Skipped
from transforms.fault import MappingFaults
from transforms.mapping import MappingSettings, compile_mapping
from transforms.mapping.comparisons import OPERATORS
from transforms.mapping.conditions import compile_condition
from transforms.mapping.synonyms import COMPARISONS_ELSEWHERE
from transforms.mapping.trace import unmet
from transforms.testing import entry

NAMES = st.sampled_from(["type", "a", "b.c"])
TEXTS = st.sampled_from(["paid", "seen", "1", "true", "", "2.5", "paid\n"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([2.5, 1.0]) | TEXTS
PLAIN = st.one_of(
    SCALARS,
    st.lists(SCALARS, min_size=1, max_size=3),
    st.fixed_dictionaries({"ne": SCALARS | st.lists(SCALARS, min_size=1)}),
    st.fixed_dictionaries({"exists": st.booleans()}),
    st.dictionaries(
        st.sampled_from(["gt", "ge", "lt", "le"]), st.integers(-3, 3) | st.floats(-3, 3) | TEXTS, min_size=1
    ),
    st.dictionaries(st.sampled_from(["prefix", "suffix", "contains"]), TEXTS, min_size=1),
)
CONDITIONS = st.recursive(
    st.dictionaries(NAMES, PLAIN, min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=4,
)
FOUND = SCALARS | st.decimals() | st.floats() | st.integers() | st.lists(SCALARS, max_size=2) | st.text(max_size=3)
ENTRIES = st.builds(entry, st.fixed_dictionaries({}, optional={"type": FOUND, "a": FOUND, "b": st.fixed_dictionaries({"c": FOUND}) | FOUND}))  # fmt: skip


def holds(when, made):
    return compile_condition(when, ()).holds(made)


@given(CONDITIONS, ENTRIES)
def test_a_condition_says_yes_or_no_and_not_says_the_other(when, made):
    assert holds(when, made) is (not holds({"not": when}, made))


@given(st.lists(CONDITIONS, min_size=1, max_size=3), ENTRIES)
def test_all_and_any_are_those_of_logic(whens, made):
    each = [holds(when, made) for when in whens]
    assert holds({"all": whens}, made) is all(each)
    assert holds({"any": whens}, made) is any(each)
    assert holds({"not": {"any": whens}}, made) is holds({"all": [{"not": when} for when in whens]}, made)


@given(st.lists(SCALARS, min_size=1, max_size=4), ENTRIES)
def test_a_list_is_any_of_its_elements(wanted, made):
    assert holds({"type": wanted}, made) is any(holds({"type": each}, made) for each in wanted)
    assert holds({"type": {"not_in": wanted}}, made) is not holds({"type": {"in": wanted}}, made)


@given(CONDITIONS, ENTRIES)
def test_the_parts_that_explain_are_those_that_decide(when, made):
    condition = compile_condition(when, ())
    assert condition.holds(made) is all(part.test(made) for part in condition.parts)
    findings = unmet(condition.parts, made)
    assert condition.holds(made) is (not findings)
    waiting = [(finding, False) for finding in findings]
    while waiting:  # each result says whether its line holds; the results within a combined line are its reasons
        finding, holds = waiting.pop()
        assert finding.holds is holds
        assert bool(finding.within) is (finding.text in {"all", "any", "not"})
        waiting += [(each, holds is not (finding.text == "not")) for each in finding.within]


@given(st.lists(st.tuples(st.none() | CONDITIONS | st.fixed_dictionaries({"type": TEXTS | st.lists(TEXTS, min_size=1)}), st.booleans()), min_size=3, max_size=8), ENTRIES)  # fmt: skip
def test_among_many_rules_the_very_ones_are_chosen_that_match(rules, made):
    rule = {"customer_id": "@topic"}
    mapper = compile_mapping(
        MappingSettings.model_validate(
            {
                "events": [
                    {
                        **rule,
                        "when": when,
                        "event_code": f"e{place}",
                        "event_time": "@timestamp",
                        "out_biz_id": "@topic",
                    }
                    for place, (when, event) in enumerate(rules)
                    if event
                ],
                "users": [
                    {**rule, "when": when, "identities": {"oneid": "@topic"}} for when, event in rules if not event
                ],
            }
        )
    )
    made = entry(made.fields, timestamp=1_700_000_000_000)
    answer = mapper(made)
    explained = [message for trace in mapper.explain(made) for message in trace.messages]
    assert (explained or Skipped("no rule matched")) == answer


@pytest.mark.parametrize(
    ("when", "found", "wanted"),
    [
        ({"a": 200}, "200", True), ({"a": "200"}, 200, True), ({"a": 200}, "200.0", False), ({"a": True}, 1, False), ({"a": 1}, True, False), ({"a": True}, "true", True),
        ({"a": 1}, 1.0, True), ({"a": 1.5}, Decimal("1.5"), True), ({"a": None}, None, True), ({"a": {"gt": 0.1}}, "0.1", False), ({"a": {"ge": 0.1}}, "0.1", True), ({"a": {"ge": 0.1}}, Decimal("0.1"), True),
        ({"a": {"gt": 5}}, True, False), ({"a": {"gt": 0}}, "many", False), ({"a": {"lt": 0}}, float("nan"), False), ({"a": {"lt": 0}}, Decimal("NaN"), False), ({"a": {"gt": "a"}}, 1, False), ({"a": {"gt": 0}}, 10**400, True),
        ({"a": {"contains": 1}}, ["1"], True), ({"a": {"contains": 1}}, "1", False), ({"a": {"ne": ["x", "y"]}}, "y", False), ({"a": {"exists": True}}, "", True), ({}, None, True), ({"a": 1}, Decimal("sNaN"), False), ({"a": {"gt": 0}}, Decimal("sNaN"), False),
    ],
)  # fmt: skip
def test_values_compare_as_a_person_would(when, found, wanted):
    assert holds(when, entry({"a": found})) is wanted


@pytest.mark.parametrize(
    ("when", "location", "found"),
    [
        ({"a": {}}, ("a",), "empty condition"), ({"a": []}, ("a",), "empty list"), ({"a": [[1]]}, ("a",), "in: [1]"), ({"a": {"gt": float("nan")}}, ("a",), "gt: nan"), ({"a": float("inf")}, ("a",), "inf"),
        ({"a": {"gt": True}}, ("a",), "gt: True"), ({"a": {"exists": "yes"}}, ("a",), "exists: 'yes'"), ({"a": {"prefix": 1}}, ("a",), "prefix: 1"), ({"a": {"in": "x"}}, ("a",), "in: 'x'"), ({"a": {"ne": {"b": 1}}}, ("a",), "ne: {'b': 1}"),
        ({"not": {}}, ("not",), "no mapping"), ({"not": [{"a": 1}]}, ("not",), "no mapping"), ({"any": []}, ("any",), "no list"), ({"all": [{}]}, ("all",), "no list"), ({"any": [{"a": 1}, {"b..c": 1}]}, ("any", 1, "b..c"), "no path"),
        ({"$.a | lower": "x"}, ("$.a | lower",), "'$.a | lower'"), ({"a|lower": "x"}, ("a|lower",), "'$.a|lower'"),
        ({"not": {"any": [{"a": {"eq": 1}}]}}, ("not", "any", 0, "a"), "unknown comparison 'eq'"),
    ],
)  # fmt: skip
def test_a_wrong_condition_says_where_and_what(when, location, found):
    with pytest.raises(MappingFaults) as faults:
        compile_condition(when, ("when",))
    (fault,) = faults.value.faults
    assert fault.location == ("when", *location)
    assert found in fault.found


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("eq", "the value alone, such as type: paid"), ("==", "the value alone"), ("gte", "'ge'"), ("<=", "'le'"), ("!=", "'ne'"), ("regex", "'matches'"), ("startswith", "'prefix'"), ("containz", "'contains'"),
        ("no", "a field of an object is named by its path, such as order.type"),
    ],
)  # fmt: skip
def test_a_comparison_of_another_tool_gets_the_right_one(written, right):
    with pytest.raises(MappingFaults) as faults:
        compile_condition({"order": {written: 1}}, ())
    assert right in faults.value.faults[0].expected


def test_a_function_in_a_condition_is_none_and_a_bar_in_a_name_is():
    with pytest.raises(MappingFaults) as faults:
        compile_condition({"$.a | lower": "x"}, ())
    assert faults.value.faults[0].expected == "a path alone: conditions know no functions"
    assert holds({"$.a['b|c']": "x"}, entry({"a": {"b|c": "x"}}))


def test_what_other_tools_call_a_comparison_is_none_here_and_what_it_names_is():
    assert not COMPARISONS_ELSEWHERE.keys() & set(OPERATORS)
    assert set(COMPARISONS_ELSEWHERE.values()) <= set(OPERATORS)


def test_all_faults_of_a_condition_come_at_once():
    with pytest.raises(MappingFaults) as faults:
        compile_condition({"a": {"eq": 1, "gt": None}, "b c": 1, "any": [{"d": {}}]}, ())
    assert len(faults.value.faults) == 4


BOUNDS = st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, 2**53, 2**53 + 1, 1e23])  # fmt: skip
NUMBERS_FOUND = BOUNDS | st.floats()


@given(NUMBERS_FOUND, BOUNDS)
@example(0.1, 0.1)
@example(2**53 + 1, float(2**53))
@example(10**23, 1e23)
@example(float("nan"), 1)
@example(float("-inf"), 1)
def test_numbers_compare_as_they_are_written(found, bound):
    """The fast ways give the answer of exact decimals. A number that is not finite is in no order."""
    made = entry({"a": found})
    exact = Decimal(repr(found)) if isinstance(found, float) else Decimal(found)
    limit = Decimal(repr(bound)) if isinstance(bound, float) else Decimal(bound)
    for name, compare in (("gt", operator.gt), ("ge", operator.ge), ("lt", operator.lt), ("le", operator.le)):
        assert holds({"a": {name: bound}}, made) is (exact.is_finite() and compare(exact, limit))
