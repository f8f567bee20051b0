"""The public interface of the mapping: every entry gives valid messages, a refusal with a reason, or a filter; never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from schemas.refusal import ReasonCode, Refusal
from transforms.base import Kind, Skipped
from transforms.fault import MappingFaults
from transforms.mapping import MappingSettings, compile_mapping, out_biz_id_notes
from transforms.testing import check_transform, entry

RULE = {"event_code": "pay", "event_time": "$.ts", "customer_id": "$.user.id", "out_biz_id": "$.no"}
GOOD = {"ts": 1_700_000_000, "user": {"id": "u1"}, "no": "n1"}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["paid", "13800000000", "2026-11-11 00:00:00", "1700000000"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "phone", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=8,
)
ENTRIES = st.dictionaries(st.sampled_from(["type", "ts", "user", "no", "items", "amount", "url"]), VALUES)


def mapper(*events, users=(), **more):
    return compile_mapping(MappingSettings.model_validate({"events": list(events), "users": list(users), **more}))


WHOLE = mapper(
    {
        **RULE,
        "when": {"any": [{"type": ["paid", 1]}, {"amount": {"gt": 0, "le": 10**9}}, {"not": {"user.id": {"exists": True}}}]},
        "identities": {"mobile": "$.user.phone", "email": "$.user.a"},
        "attributes": {
            "first": "$.items[0].a | trim | truncate(5)", "sum": "$.amount | multiply(100) | round(2)", "join": "$.items | join(',')", "q": "$.url | query('a')",
            "t": "$.ts | time('%Y-%m-%d %H:%M:%S')", "level": "$.type | lookup('level', 'none')", "all": "$", "n": "$.items | length", "h": "$.user | hash",
        },
    },
    {**RULE, "event_code": "$.type", "when": {"type": {"prefix": "p"}}, "out_biz_id": ["$.no", "$.ts"], "event_time": "@timestamp"},
    {**RULE, "event_code": "seen", "out_biz_id": {"content": "all"}, "customer_id": "$.user.b | default('nobody')"},
    users=[{"customer_id": "$.user.id", "identities": {"mobile": "$.user.phone"}}],
    tables={"level": {"1": "silver"}},
    otherwise="dead_letter",
)  # fmt: skip


@given(ENTRIES, st.sampled_from([-1, 1_700_000_000_000]))
def test_whatever_the_entry_the_answer_is_valid_or_a_reason(fields, timestamp):
    made = entry(fields, timestamp=timestamp, value=b"raw")
    answer = WHOLE(made)
    assert isinstance(answer, Refusal | Skipped) or [each.kind for each in answer] == sorted(
        (each.kind for each in answer), reverse=True
    )
    check_transform(WHOLE, [made])
    assert len(WHOLE.explain(made)) == 4


def test_a_message_is_whole():
    made = mapper(
        {
            **RULE,
            "event_source_code": "app",
            "identities": {"mobile": "$.user.phone"},
            "attributes": {"amount": "$.amount", "none": "$.none"},
        }
    )
    (message,) = made(entry({**GOOD, "user": {"id": "u1", "phone": "+86 13800000000"}, "amount": 12.50}))
    assert message.kind is Kind.EVENT
    assert message.wire == {
        "customerId": "u1",
        "eventCode": "pay",
        "eventSourceCode": "app",
        "eventTime": 1_700_000_000_000,
        "extendAttributes": {"amount": "12.5", "outBizId": "n1"},
        "customerIdList": [{"customerId": "13800000000", "idMapping": "mobile"}],
    }
    EventMessage.model_validate(message.wire)


def test_users_come_before_events_and_several_rules_make_several_messages():
    made = mapper(
        RULE, {**RULE, "event_code": "again"}, users=[{"customer_id": "$.user.id", "identities": {"mobile": "$.phone"}}]
    )
    messages = made(entry({**GOOD, "phone": "13800000000"}))
    assert [each.kind for each in messages] == [Kind.USER, Kind.EVENT, Kind.EVENT]
    CustomerMessage.model_validate(messages[0].wire)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ts": None}, ReasonCode.FIELD_MISSING), ({"ts": "soon"}, ReasonCode.TIME_INVALID), ({"ts": 5}, ReasonCode.TIME_INVALID), ({"ts": 10**20}, ReasonCode.TIME_INVALID),
        ({"user": {}}, ReasonCode.FIELD_MISSING), ({"user": {"id": {"a": 1}}}, ReasonCode.FIELD_TYPE), ({"user": {"id": ""}}, ReasonCode.FIELD_MISSING),
        ({"no": None}, ReasonCode.OUT_BIZ_ID_MISSING), ({"no": ""}, ReasonCode.OUT_BIZ_ID_MISSING), ({"phone": "12"}, ReasonCode.IDENTITY_INVALID), ({"amount": "x"}, ReasonCode.FUNCTION_FAILED),
    ],
)  # fmt: skip
def test_each_refusal_names_the_rule_and_never_the_value(changed, code):
    made = mapper({**RULE, "identities": {"mobile": "$.phone"}, "attributes": {"a": "$.amount | divide(100)"}})
    refusal = made(entry({**GOOD, **changed}))
    assert isinstance(refusal, Refusal)
    assert refusal.code is code
    assert refusal.reason.startswith("events[0] pay: ")
    assert "soon" not in refusal.reason


def test_an_impossible_identity_may_be_left_out():
    made = mapper(
        RULE,
        users=[{"customer_id": "$.user.id", "identities": {"mobile": "$.phone"}}],
        identities={"impossible": "leave_out"},
    )
    (message,) = made(entry({**GOOD, "phone": "12"}))
    assert message.kind is Kind.EVENT


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        (1_700_000_000, 1_700_000_000_000), (1_700_000_000_123, 1_700_000_000_123), ("1700000000.5", 1_700_000_000_500), ("2026-11-11T00:00:00+08:00", 1_794_326_400_000),
        ("2026-11-10T16:00:00Z", 1_794_326_400_000), ("2026-11-11 00:00:00", 1_794_326_400_000),
    ],
)  # fmt: skip
def test_times_are_told_apart(written, ms):
    assert mapper(RULE)(entry({**GOOD, "ts": written}))[0].wire["eventTime"] == ms


def test_a_derived_business_id_is_stable_and_unambiguous():
    content = mapper({**RULE, "out_biz_id": ["$.a", "$.b"]})

    def biz(made, fields, **place):
        return made(entry({**GOOD, **fields}, **place))[0].wire["extendAttributes"]["outBizId"]

    assert biz(content, {"a": "ab", "b": "c"}) == biz(content, {"a": "ab", "b": "c"}, offset=7)
    assert biz(content, {"a": "ab", "b": "c"}) != biz(content, {"a": "a", "b": "bc"})
    assert biz(mapper({**RULE, "out_biz_id": {"position": True}}), {}, topic="t", partition=2, offset=7) == "t-2-7"
    whole = mapper({**RULE, "out_biz_id": {"content": "all"}})
    assert biz(whole, {}, value=b"x") == biz(whole, {}, value=b"x", offset=9) != biz(whole, {}, value=b"y")
    assert content(entry(GOOD)).code is ReasonCode.OUT_BIZ_ID_MISSING


def test_the_difference_of_derived_business_ids_is_explained():
    settings = MappingSettings.model_validate(
        {"events": [{**RULE, "out_biz_id": {"content": "all"}}, {**RULE, "out_biz_id": {"position": True}}, RULE]}
    )
    content, position = out_biz_id_notes(settings)
    assert (content.location, position.location) == (("events", 0, "out_biz_id"), ("events", 1, "out_biz_id"))
    assert "two lines of different events that are equal" in content.text
    assert "reported twice" in position.text


@pytest.mark.parametrize(
    ("changed", "location", "found", "expected"),
    [
        ({"event_time": "$.ts | tme('iso')"}, ("event_time",), "unknown function 'tme'", "'time'"),
        ({"event_time": "$.ts | time('%Q')"}, ("event_time",), "%Q", "directives"),
        ({"event_time": "$.ts | time('iso', 'Mars')"}, ("event_time",), "unknown time zone 'Mars'", "IANA"),
        ({"customer_id": "$.a..b"}, ("customer_id",), "no path", "$.order.items[0].title"),
        ({"customer_id": "@tpic"}, ("customer_id",), "'@tpic'", "@topic"),
        ({"attributes": {"a": "$.a | truncate('x')"}}, ("attributes", "a"), "truncate('x')", "integer"),
        ({"attributes": {"a": "$.a | truncate(1, 2)"}}, ("attributes", "a"), "2 arguments", "truncate(integer)"),
        ({"attributes": {"a": "$.a | lookup('levl')"}}, ("attributes", "a"), "unknown table 'levl'", "'level'"),
        ({"attributes": {"a": "$.a | default('x"}}, ("attributes", "a"), "quote is not closed", "another '"),
        ({"attributes": {"outBizId": "$.a"}}, ("attributes", "outBizId"), "outBizId among the attributes", "out_biz_id"),
        ({"out_biz_id": "n1"}, ("out_biz_id",), "the same for every event", "$.order.no"),
        ({"out_biz_id": {"contents": "all"}}, ("out_biz_id",), "contents", "{content: all}"),
        ({"when": {"a": {"gtt": 1}}}, ("when", "a"), "unknown comparison 'gtt'", "'gt'"),
        ({"when": {"any": {"a": 1}}}, ("when", "any"), "no list", "any: ["),
    ],
)  # fmt: skip
def test_each_fault_says_where_what_and_what_would_be_right(changed, location, found, expected):
    with pytest.raises(MappingFaults) as faults:
        mapper({**RULE, **changed}, tables={"level": {}})
    (fault,) = faults.value.faults
    assert fault.location == ("events", 0, *location)
    assert found in fault.found
    assert expected in fault.expected


def test_all_faults_come_at_once():
    with pytest.raises(MappingFaults) as faults:
        mapper(
            {**RULE, "event_time": "$.ts | a", "attributes": {"x": "$.x | b", "y": "@z"}},
            {**RULE, "when": {"q": {"w": 1}}},
        )
    assert len(faults.value.faults) == 4


def test_a_constant_may_begin_with_a_dollar():
    made = mapper({**RULE, "attributes": {"price": "$$9.90", "list": [1, 2], "yes": True}})
    assert made(entry(GOOD))[0].wire["extendAttributes"] == {
        "price": "$9.90",
        "list": "[1,2]",
        "yes": "true",
        "outBizId": "n1",
    }
