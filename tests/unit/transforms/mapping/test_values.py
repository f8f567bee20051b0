"""Templates, `first_of`, every element of a list, and rules about each element."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from schemas.refusal import ReasonCode, Refusal
from tests.support.paths import ROOT
from transforms.base import Kind, Skipped
from transforms.fault import BadExpression, MappingFaults
from transforms.fields import compile_path
from transforms.mapping import MappingSettings, compile_mapping, out_biz_id_notes, rule_notes
from transforms.mapping.scope import Scope
from transforms.mapping.values import compile_value, is_constant
from transforms.testing import check_transform, entry

RULE = {"event_code": "buy", "event_time": "$.ts", "customer_id": "$.user", "out_biz_id": "$.no"}
GOOD = {"ts": 1_700_000_000, "user": "u1", "no": "n1"}
ITEMS = [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 0}, {"sku": "c", "qty": 2}]


def mapper(*events, users=(), **more):
    return compile_mapping(MappingSettings.model_validate({"events": list(events), "users": list(users), **more}))


def value(written, fields):
    return compile_value(written, Scope())(entry(fields))


# --- every element -----------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.integers() | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=10,
)
STEPS = st.lists(st.one_of(st.sampled_from(["a", "b", "*", "*"]), st.integers(-2, 2)), min_size=1, max_size=5)


def walked(value, steps):
    """The meaning of a path with `[*]`, in the simplest code: a list of the values that every branch finds."""
    if not steps:
        return [] if value is None else [value]
    step, *rest = steps
    if step == "*":
        return [each for one in value for each in walked(one, rest)] if isinstance(value, list) else []
    if isinstance(step, int):
        inside = isinstance(value, list) and -len(value) <= step < len(value)
        return walked(value[step], rest) if inside else []
    return walked(value.get(step), rest) if isinstance(value, dict) else []


@given(st.dictionaries(st.sampled_from(["a", "b"]), JSON, min_size=1), STEPS)
def test_every_element_is_one_flat_list_of_what_every_way_finds(fields, steps):
    path = "$.a" + "".join(
        f"[{step}]" if step == "*" or isinstance(step, int) else f".{step}" for step in ["*", *steps]
    )
    found = compile_path(path)(entry(fields))
    assert (found or []) == walked(fields, ["a", "*", *steps])
    assert (found is None) == (not isinstance(fields.get("a"), list))


def test_lists_are_worked_on_by_functions():
    fields = {"items": [{"sku": "b", "price": 0.1}, {"sku": "a", "price": "0.2"}, {"sku": "b"}]}
    assert value("$.items[*].sku | unique | join(',')", fields) == "b,a"
    assert str(value("$.items[*].price | sum", fields)) == "0.3"
    assert value("$.items[*].gone | sum", fields) is None
    assert value("$.items[*].sku | length", fields) == 3


# --- templates and first_of --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "fields", "wanted"),
    [
        ("a {{ $.n }}-{{$.t | upper}}!", {"n": 7, "t": "x"}, "a 7-X!"),
        ("{{ @topic }}/{{ $.n | default('none') }}", {}, "test/none"),
        ("{{ $.n }}{{ $.gone }}", {"n": 7}, None),
        ("{{ $.a | replace('}', '|') }}", {"a": "x}"}, "x|"),
        ("{{ no expression }}", {}, "{{ no expression }}"),
        ("{{ $.flag }}", {"flag": True}, "true"),
        ({"first_of": ["$.a", "$.b | trim", "c"]}, {"a": "", "b": " b "}, "b"),
        ({"first_of": ["$.a", "$.b", "c"]}, {}, "c"),
        ({"first_of": ["$.a", "{{ $.b }}!"]}, {"b": "b"}, "b!"),
        ({"first_of": ["$.a"]}, {"a": 0}, 0),
        ({"first_of": ["$.a", "$.b"], "then": "trim | upper"}, {"a": "", "b": " b "}, "B"),
        ({"first_of": ["{{ $.a }}|{{ $.b }}"], "then": "split('|', 1)"}, {"a": "x", "b": "y"}, "y"),
        ({"first_of": ["$.a"], "then": "default('none')"}, {}, "none"),
        ({"first_of": [{"first_of": ["$.a"], "then": "integer"}, 1], "then": "add(1)"}, {"a": "2"}, 3),
        ({"first_of": ["$.a"]}, {}, None),
    ],
)  # fmt: skip
def test_a_template_and_the_first_of_several(written, fields, wanted):
    assert value(written, fields) == wanted


@given(st.text(max_size=30))
def test_a_text_without_expressions_is_the_constant_it_is(text):
    if not text.startswith(("$", "@")) and "{{" not in text:
        assert is_constant(text)
        assert value(text, {}) == text


@pytest.mark.parametrize(
    ("written", "found", "expected"),
    [
        ("a {{ $.n | upperr }}", "unknown function 'upperr'", "'upper'"),
        ("a {{ $.a..b }}", "no path", "$.order.items[0].title"),
        ("{{ $.a }}" * 51, "more than 50 expressions", "fewer"),
        ({"first_of": []}, "first_of: []", "1 to 20"),
        ({"first_of": "$.a"}, "first_of", "a list"),
        ({"first_of": ["$.a"], "then": ["trim"]}, "then: ['trim']", "trim | truncate(60)"),
        ({"first_of": ["$.a"], "then": "$.b"}, "'$.b'", "no paths"),
        ({"first_of": ["$.a"], "then": ""}, "nothing behind", "a function"),
        ({"first_of": ["$.a"], "then": "trimm"}, "unknown function 'trimm'", "'trim'"),
        (["$.a"], "inside a list", "first_of"),
        ("$item[*].a", "every element within an element", "for_each"),
        ("$index.a", "'$index.a'", "$index alone"),
        ("$items.a", "no path", "$.order"),
        ("{{ $.a }}\ud800", "surrogate", "text"),
    ],
)  # fmt: skip
def test_what_is_wrong_says_what_would_be_right(written, found, expected):
    with pytest.raises(BadExpression) as bad:
        compile_value(written, Scope())
    assert found in bad.value.found
    assert expected in bad.value.expected


def test_all_of_them_may_stand_wherever_a_value_may():
    made = mapper(
        {
            **RULE,
            "event_code": "{{ $.kind }}_done",
            "customer_id": {"first_of": ["$.member", "$.user"]},
            "identities": {"mobile": {"first_of": ["$.phone", "$.tel"]}},
            "out_biz_id": "{{ $.no }}-{{ $.line }}",
            "attributes": {"note": "{{ $.kind }} by {{ $.user }}", "skus": "$.items[*].sku | join('/')"},
        }
    )
    fields = {**GOOD, "kind": "pay", "line": 2, "tel": "13800000000", "items": ITEMS}
    (message,) = check_transform(made, [entry(fields)])[0]
    assert message.wire["eventCode"] == "pay_done"
    assert message.wire["extendAttributes"] == {"note": "pay by u1", "skus": "a/b/c", "outBizId": "n1-2"}
    assert made.identifiers(entry(fields)) == {"u1", "13800000000"}


# --- for_each ----------------------------------------------------------------------------------------------------------------

EACH = {
    **RULE,
    "when": {"type": "paid", "$item.qty": {"gt": 0}},
    "for_each": "$.order.items",
    "out_biz_id": "{{ $.no }}-{{ $item.sku }}",
    "attributes": {"sku": "$item.sku", "place": "$index", "order": "$.no"},
}


def paid(items, **more):
    return entry({**GOOD, "type": "paid", "order": {"items": items}, **more})


def test_a_rule_makes_a_message_of_each_element_that_its_condition_holds_for():
    messages = check_transform(mapper(EACH), [paid(ITEMS)])[0]
    assert [message.wire["extendAttributes"] for message in messages] == [
        {"sku": "a", "place": "0", "order": "n1", "outBizId": "n1-a"},
        {"sku": "c", "place": "2", "order": "n1", "outBizId": "n1-c"},
    ]


@pytest.mark.parametrize(
    ("items", "answer"),
    [
        (None, Skipped), ([], Skipped), ([{"qty": 0}], Skipped), ([1, None, "x"], Skipped),
        ({"sku": "a"}, ReasonCode.FIELD_TYPE), ("text", ReasonCode.FIELD_TYPE), ([{"qty": 1}] * 1_001, ReasonCode.TOO_MANY_ELEMENTS), ([{"qty": 1}], ReasonCode.OUT_BIZ_ID_MISSING),
    ],
)  # fmt: skip
def test_what_holds_no_elements_makes_no_message_and_what_is_no_list_is_refused(items, answer):
    made = mapper(EACH)(paid(items))
    assert made.code is answer if isinstance(made, Refusal) else isinstance(made, answer)


def test_a_derived_business_id_differs_by_element_and_by_entry():
    for written in ({"position": True}, {"content": "all"}):
        made = mapper({**EACH, "out_biz_id": written})
        ids = [
            message.wire["extendAttributes"]["outBizId"]
            for place in (0, 1)
            for message in made(entry(paid(ITEMS).fields, value=b"x", place=place))
        ]
        assert len(set(ids)) == 4
        assert ids[0].endswith("[0]")
        assert ids[3].endswith(".1[2]")


def test_users_may_be_made_of_elements_and_their_identifiers_are_known():
    made = mapper(
        users=[{"for_each": "$.guests", "customer_id": "$item.id", "identities": {"mobile": "$item.phone"}}],
    )
    guests = [{"id": "g1", "phone": "13800000001"}, {"id": "g2", "phone": "13800000002"}, {"id": "g3"}]
    messages = made(entry({"guests": guests}))
    assert [(message.kind, message.wire["customerId"]) for message in messages] == [
        (Kind.USER, "g1"),
        (Kind.USER, "g2"),
    ]
    assert made.identifiers(entry({"guests": guests})) == {"g1", "g2", "g3", "13800000001", "13800000002"}


def test_explain_shows_all_messages_of_a_rule():
    (trace,) = mapper(EACH).explain(paid(ITEMS))
    assert len(trace.messages) == 2


def test_conditions_that_combine_entry_and_element_are_asked_of_each_element():
    made = mapper({**EACH, "when": {"any": [{"$item.sku": "b"}, {"$index": 2}, {"all_of_them": True}]}})
    assert [message.wire["extendAttributes"]["sku"] for message in made(paid(ITEMS))] == ["b", "c"]
    assert len(made(paid(ITEMS, all_of_them=True))) == 3


@pytest.mark.parametrize(
    "when",
    [
        {"type": "paid", "$item.qty": {"gt": 0}},
        {"all": [{"type": "paid"}, {"$item.qty": {"gt": 0}}]},
        {"all": [{"type": {"exists": True}}, {"all": [{"type": "paid", "$item.qty": {"gt": 0}}]}]},
        {"all": [{"type": "paid", "$item.qty": {"exists": True}}, {"$item.qty": {"gt": 0}}]},
    ],
)
def test_what_must_hold_of_the_entry_decides_whether_the_rule_matches_wherever_it_stands(when):
    made = mapper({**EACH, "when": when}, {**RULE, "event_code": "other"}, match="first")
    assert [message.wire["extendAttributes"].get("sku") for message in made(paid(ITEMS))] == ["a", "c"]
    (other,) = made(entry({**GOOD, "type": "seen", "order": {"items": ITEMS}}))
    assert other.wire["eventCode"] == "other"
    assert isinstance(made(paid([{"qty": 0}])), Skipped)
    settings = MappingSettings.model_validate({"events": [{**EACH, "when": when}, RULE], "match": "first"})
    assert rule_notes(settings) == []


@pytest.mark.parametrize(
    ("changed", "location", "found"),
    [
        ({"for_each": None}, ("when",), "$item or $index"),
        ({"for_each": None, "when": None}, ("attributes",), "$item or $index"),
        ({"for_each": "$item.x"}, ("for_each",), "$item.x"),
        ({"for_each": "items"}, ("for_each",), "the constant 'items'"),
        ({"when": {"$item.qty": {"gtt": 0}}}, ("when", "$item.qty"), "unknown comparison"),
        ({"when": {"all": [{"type": "paid"}, {"$item.qty": {"gtt": 0}}]}}, ("when", "all", 1, "$item.qty"), "unknown comparison"),
        ({"when": {"all": {"$item.qty": 0}}}, ("when", "all"), "no list of conditions"),
    ],
)  # fmt: skip
def test_an_element_outside_for_each_is_a_fault(changed, location, found):
    with pytest.raises(MappingFaults) as faults:
        mapper({**EACH, **changed})
    assert any(fault.location == ("events", 0, *location) and found in fault.found for fault in faults.value.faults)


def test_a_business_id_that_does_not_name_the_element_is_noted():
    def notes(written):
        settings = MappingSettings.model_validate({"events": [{**EACH, "out_biz_id": written}]})
        return [note.text for note in out_biz_id_notes(settings)]

    assert any("does not name the element" in note for note in notes("$.no"))
    assert any("does not name the element" in note for note in notes(["$.no", "$.ts"]))
    assert not any("does not name the element" in note for note in notes(["$.no", "$index"]))
    assert not any("does not name the element" in note for note in notes({"position": True}))


# --- match: first ------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([None, "a", "b", ["a", "b"], {"ne": "a"}]), min_size=1, max_size=6),
    st.sampled_from(["a", "b", "c"]),
)
def test_with_match_first_the_first_rule_that_holds_makes_the_event(whens, kind):
    rules = [
        {**RULE, "event_code": f"e{place}", "when": None if when is None else {"type": when}}
        for place, when in enumerate(whens)
    ]
    users = [{"customer_id": "$.user", "identities": {"oneid": "$.user"}}]
    made = entry({**GOOD, "type": kind})
    every = [message.wire["eventCode"] for message in mapper(*rules, users=users)(made) if message.kind is Kind.EVENT]
    first = mapper(*rules, users=users, match="first")
    codes = [message.wire.get("eventCode") for message in first(made)]
    assert codes == [None, *every[:1]]
    assert [message.wire.get("eventCode") for trace in first.explain(made) for message in trace.messages] == codes


def test_the_example_of_the_page_for_elements_holds():
    page = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
    example = page.partition("### Elements of a list")[2].partition("```yaml\n")[2].partition("```")[0]
    settings = MappingSettings.model_validate(YAML(typ="safe").load(example))
    messages = compile_mapping(settings)(
        entry({"type": "order_paid", "ts": 1_700_000_000, "user": {"id": "u"}, "order": {"no": "n", "items": ITEMS}})
    )
    assert [message.wire["extendAttributes"]["outBizId"] for message in messages] == ["n-a", "n-c"]
