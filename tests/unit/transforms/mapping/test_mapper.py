"""The mapping as a whole: its constants, identities and derived IDs; and no value of a record gets out."""

from __future__ import annotations

from datetime import date

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.refusal import ReasonCode, Refusal
from transforms.base import Skipped
from transforms.fault import MappingFaults
from transforms.mapping import MappingSettings, compile_mapping, out_biz_id_notes
from transforms.mapping.trace import LineResult
from transforms.testing import check_transform, entry

RULE = {"event_code": "pay", "event_time": "$.ts", "customer_id": "$.user", "out_biz_id": "$.no"}
GOOD = {"ts": 1_700_000_000, "user": "u1", "no": "n1"}
SECRET = "13900000000-a-value-of-the-record"


def mapper(*events, **more):
    return compile_mapping(MappingSettings.model_validate({"events": list(events), **more}))


def faults_of(*events, **more):
    with pytest.raises(MappingFaults) as faults:
        mapper(*events, **more)
    return {fault.location: fault for fault in faults.value.faults}


def biz(made, fields=GOOD, **place):
    return [each.wire["extendAttributes"]["outBizId"] for each in made(entry(fields, **place))]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=8)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
EVERY_KEY = mapper(
    {
        **RULE,
        "event_code": "$.code",
        "event_source_code": "$.source",
        "identities": {
            kind: f"$.{kind}" for kind in ("oneid", "email", "mobile", "taobao_nick", "imei", "idfa", "mac_org")
        },
        "attributes": {"a": "$.a", "all": "$", "b": "$.a | string | default('-')", "key": "@key", "h": "@headers.h"},
    },
    {**RULE, "out_biz_id": {"content": ["$.no", "@key", "fixed"]}},
    {**RULE, "out_biz_id": {"content": "all"}},
    {**RULE, "out_biz_id": {"position": True}},
    users=[{"customer_id": "$.user", "identities": {"oneid": "$.a"}}],
    identities={"impossible": "leave_out"},
)


@given(
    st.fixed_dictionaries(
        {"ts": st.just(1_700_000_000), "user": st.text(max_size=3) | JSON, "no": st.text(max_size=3) | JSON, "code": st.just("c") | JSON},
        optional=dict.fromkeys(("source", "a", "oneid", "email", "mobile", "taobao_nick", "imei", "idfa", "mac_org"), JSON),
    ),
    st.none() | st.binary(max_size=5),
    st.none() | st.binary(max_size=5),
)  # fmt: skip
def test_whatever_the_entry_holds_messages_are_valid_and_can_be_sent(fields, key, value):
    for answer in check_transform(EVERY_KEY, [entry(fields, key=key, value=value, headers=[("h", key)])]):
        if not isinstance(answer, Refusal | Skipped):
            orjson.dumps([each.wire for each in answer])


@given(
    st.sampled_from(["ts", "user", "no", "phone", "amount", "code", "day"]),
    st.sampled_from([SECRET, [SECRET], {SECRET: SECRET}, True]),
)
def test_no_refusal_holds_a_value_of_the_record(key, value):
    made = mapper(
        {
            **RULE,
            "event_code": "$.code",
            "identities": {"mobile": "$.phone"},
            "attributes": {"a": "$.amount | divide(100)", "d": "$.day | time('%Y-%m-%d')"},
        }
    )
    answer = made(entry({**GOOD, "code": "c", key: value}))
    if isinstance(answer, Refusal):
        assert SECRET not in repr(answer)
        assert answer.reason.startswith("events[0] $.code: ")
    else:
        assert value is not True or key not in {"user", "no", "code"}


def test_a_record_nested_as_deep_as_decoders_allow_is_no_crash():
    deep = value = {}
    for _ in range(5_000):
        value["a"] = [{}]
        value = value["a"][0]
    answer = mapper({**RULE, "attributes": {"all": "$"}})(entry({**GOOD, "deep": deep}))
    assert answer.code is ReasonCode.FUNCTION_FAILED
    assert "attributes.all" in answer.reason


@pytest.mark.parametrize("blank", [" ", "\t\n", "\u3000"])
def test_a_blank_text_is_no_value_where_one_is_needed(blank):
    for key, code in (("user", ReasonCode.FIELD_MISSING), ("no", ReasonCode.OUT_BIZ_ID_MISSING)):
        assert mapper(RULE)(entry({**GOOD, key: blank})).code is code
    made = mapper({**RULE, "event_source_code": "$.channel", "identities": {"mobile": "$.phone"}})
    (message,) = made(entry({**GOOD, "channel": blank, "phone": blank}))
    assert not {"eventSourceCode", "customerIdList"} & message.wire.keys()


def test_a_number_may_be_an_id_and_a_truth_value_may_not():
    (message,) = mapper(RULE)(entry({**GOOD, "user": 10**30, "no": 7}))
    assert (message.wire["customerId"], message.wire["extendAttributes"]["outBizId"]) == (str(10**30), "7")
    for key in ("user", "no"):
        assert mapper(RULE)(entry({**GOOD, key: True})).code is ReasonCode.FIELD_TYPE
        assert mapper(RULE)(entry({**GOOD, key: [1]})).code is ReasonCode.FIELD_TYPE


NOON_MS, MINUTE_MS = 1_794_369_600_000, 60_000


@pytest.mark.parametrize(
    ("written", "off_ms", "refused"),
    [
        ({"before": 5 * MINUTE_MS}, -5 * MINUTE_MS, False),
        ({"before": 5 * MINUTE_MS}, -5 * MINUTE_MS - 1, True),
        ({"before": 5 * MINUTE_MS}, 10**10, False),
        ({"after": 0}, 0, False),
        ({"after": 0}, 1, True),
        ({"after": 0}, -(10**10), False),
    ],
)
def test_a_time_far_from_that_of_its_record_is_refused(written, off_ms, refused):
    rule = mapper(RULE, event_times=written)
    answer = rule(entry({**GOOD, "ts": NOON_MS + off_ms}, timestamp=NOON_MS))
    assert (getattr(answer, "code", None) is ReasonCode.TIME_INVALID) is refused
    assert isinstance(rule(entry({**GOOD, "ts": NOON_MS + off_ms})), list), "a topic that keeps no times refuses none"


@pytest.mark.parametrize("written", [True, False, {"id": "o1"}, ["o1"], {}, []])
@pytest.mark.parametrize("kind", ["open_id", "oneid", "taobao_nick", "mobile"])
def test_an_identity_is_no_truth_value_object_or_list(kind, written):
    rule = {**RULE, "identities": {kind: "$.it"}}
    fields = {**GOOD, "it": written}
    assert mapper(rule)(entry(fields)).code is ReasonCode.IDENTITY_INVALID
    (message,) = mapper(rule, identities={"impossible": "leave_out"})(entry(fields))
    assert "customerIdList" not in message.wire


def test_an_identifier_whose_key_holds_a_bar_is_known_as_one():
    made = mapper({**RULE, "identities": {"oneid": "$['a|b'] | trim"}})
    assert made.identifiers(entry({**GOOD, "a|b": "x"})) == {"u1", "x"}


def test_a_time_without_a_zone_is_in_that_of_the_source():
    text = "2026-11-11 12:00:00"
    for written in ("$.ts", "$.ts | time('iso')", "$.ts | time('%Y-%m-%d %H:%M:%S')"):
        for zone, hours in (("UTC", 0), ("Asia/Shanghai", 8), ("Asia/Tokyo", 9)):
            (message,) = mapper({**RULE, "event_time": written}, time_zone=zone)(entry({**GOOD, "ts": text}))
            assert message.wire["eventTime"] == 1_794_398_400_000 - hours * 3_600_000
    for named in ("time('iso', 'UTC')", "time('%Y-%m-%d %H:%M:%S', 'UTC')"):
        (message,) = mapper({**RULE, "event_time": f"$.ts | {named}"})(entry({**GOOD, "ts": text}))
        assert message.wire["eventTime"] == 1_794_398_400_000
    assert ("time_zone",) in faults_of(RULE, time_zone="Asia/Beijing")


@pytest.mark.parametrize("key", ["event_time", "customer_id", "out_biz_id"])
@pytest.mark.parametrize("constant", ["user.id", 7, None, True, "$$x"])
def test_what_tells_entries_apart_is_no_constant(key, constant):
    fault = faults_of({**RULE, key: constant})["events", 0, key]
    assert "$." in fault.expected
    assert "constant" in fault.found or fault.found == "nothing"


def test_an_identity_is_no_constant():
    found = faults_of(
        {**RULE, "identities": {"mobile": "user.phone"}},
        users=[{"customer_id": "id", "identities": {"email": "mail"}}],
    )
    assert set(found) == {("events", 0, "identities", "mobile"), ("users", 0, "customer_id"), ("users", 0, "identities", "email")}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "constant"),
    [("event_code", ""), ("event_code", " "), ("event_code", None), ("event_code", True), ("event_code", ["a"]), ("event_source_code", {"a": 1})],
)  # fmt: skip
def test_a_code_is_a_text(key, constant):
    assert ("events", 0, key) in faults_of({**RULE, key: constant})


def test_a_channel_may_be_empty_and_codes_may_be_numbers():
    for empty in ("", None):
        assert "eventSourceCode" not in mapper({**RULE, "event_source_code": empty})(entry(GOOD))[0].wire
    wire = mapper({**RULE, "event_code": 42, "event_source_code": 7})(entry(GOOD))[0].wire
    assert (wire["eventCode"], wire["eventSourceCode"]) == ("42", "7")


@pytest.mark.parametrize(
    "constant", [date(2026, 1, 1), float("nan"), ["$.a"], {"a": "$.b"}, ["x", float("inf")], "\ud800", b"x"]
)
def test_a_constant_that_could_not_be_reported_as_meant_is_a_fault(constant):
    assert ("events", 0, "attributes", "a") in faults_of({**RULE, "attributes": {"a": constant}})
    assert ("tables", "t", "k") in faults_of(RULE, tables={"t": {"k": constant}})


def test_no_rule_at_all_is_a_fault():
    assert ("events",) in faults_of()


def test_every_fault_of_every_key_comes_at_once():
    found = faults_of(
        {
            "when": {"a": {"gtt": 1}}, "event_code": "", "event_source_code": "@x", "event_time": "ts", "customer_id": "$.a..b", "identities": {"mobile": "$.a | b"},
            "out_biz_id": [], "attributes": {"outBizId": "$.a", "y": "$.a | lookup('t')"},
        },
        {**RULE, "attributes": {"x": "$.a | time('iso', 'Mars')"}},
    )  # fmt: skip
    first = {location[2] for location in found if location[1] == 0}
    assert first == {
        "when",
        "event_code",
        "event_source_code",
        "event_time",
        "customer_id",
        "identities",
        "out_biz_id",
        "attributes",
    }
    assert len(found) == 10


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"position": False},
        {"content": "some"},
        {"content": []},
        {"content": "all", "position": True},
        [],
        ["a", 1],
        ["$.a", "$.b | c"],
    ],
)
def test_a_wrong_out_biz_id_is_a_fault(written):
    assert ("events", 0, "out_biz_id") in faults_of({**RULE, "out_biz_id": written})


@given(
    st.lists(st.text(min_size=1, max_size=3).filter(str.strip), min_size=2, max_size=2),
    st.lists(st.text(min_size=1, max_size=3).filter(str.strip), min_size=2, max_size=2),
)
def test_two_hashes_are_equal_only_if_all_their_fields_are(one, other):
    made = mapper({**RULE, "out_biz_id": ["$.a", "$.b"]})
    first, second = (biz(made, {**GOOD, "a": a, "b": b}) for a, b in (one, other))
    assert (first == second) == (one == other)
    assert len(first[0]) == 32


@pytest.mark.parametrize("missing", [None, "", " "])
def test_a_hash_with_a_part_missing_is_refused(missing):
    made = mapper({**RULE, "out_biz_id": ["$.a", "$.no"]})
    assert made(entry({**GOOD, "a": missing})).code is ReasonCode.OUT_BIZ_ID_MISSING


def test_a_record_without_value_has_no_content_to_hash():
    assert (
        mapper({**RULE, "out_biz_id": {"content": "all"}})(entry(GOOD, value=None)).code
        is ReasonCode.OUT_BIZ_ID_MISSING
    )


@pytest.mark.parametrize("derived", [{"content": "all"}, {"position": True}])
def test_two_events_of_one_record_under_one_code_do_not_become_one(derived):
    same = {**RULE, "out_biz_id": derived}
    made = mapper(same, {**same, "event_code": "other"}, same, {**same, "event_code": "$.code"}, same)
    answer = made(entry({**GOOD, "code": "other"}, value=b"v"))
    keys = [(each.wire["eventCode"], each.wire["extendAttributes"]["outBizId"]) for each in answer]
    assert len(set(keys)) == len(keys) == 5
    alone = biz(mapper(same), value=b"v")
    assert keys[0][1] == keys[1][1] == alone[0]  # the first rule's ID has no number
    assert keys[2][1] == f"{alone[0]}-2"


def test_rules_that_name_fields_keep_their_ids_and_check_says_what_that_means():
    rules = [{**RULE, "when": {"no": "n1"}}, RULE, {**RULE, "out_biz_id": ["$.no"]}, {**RULE, "out_biz_id": {"content": "all"}}, {**RULE, "out_biz_id": {"content": "all"}}]  # fmt: skip
    assert biz(mapper(*rules[:2])) == ["n1", "n1"]
    notes = out_biz_id_notes(MappingSettings.model_validate({"events": rules}))
    assert any(note.location[1] == 1 and note.text.startswith("is that of events[0]") for note in notes)
    assert any(note.location[1] == 4 and note.text.startswith("ends in -2") for note in notes)
    assert out_biz_id_notes(MappingSettings.model_validate({"events": [RULE, {**RULE, "event_code": "other"}]})) == []


def test_explain_says_of_each_rule_what_became_of_it():
    made = mapper(
        {**RULE, "when": {"type": "a", "n": {"gt": 1}}},
        {**RULE, "event_code": "seen"},
        {**RULE, "event_code": "late", "out_biz_id": "$.gone"},
        users=[{"customer_id": "$.user", "identities": {"mobile": "$.phone"}}],
    )
    user, first, second, third = made.explain(entry({**GOOD, "type": "a", "n": 1}))
    assert (user.rule, user.matched, user.messages) == ("users[0] identities", True, ())
    assert (first.rule, first.matched, first.unmet) == (
        "events[0] pay",
        False,
        (LineResult("n gt 1", holds=False, found=1),),
    )
    assert second.messages[0].wire["eventCode"] == "seen"
    assert third.refusal.code is ReasonCode.OUT_BIZ_ID_MISSING
    assert made(entry({**GOOD, "type": "a", "n": 1})).code is ReasonCode.OUT_BIZ_ID_MISSING


@pytest.mark.parametrize(
    ("otherwise", "wanted"), [("skip", Skipped("no rule matched")), ("dead_letter", ReasonCode.NO_RULE_MATCHED)]
)
def test_what_no_rule_matches_goes_where_it_is_said(otherwise, wanted):
    for count in (1, 4):  # few rules are all tested, many are found by the index
        made = mapper(*[{**RULE, "when": {"type": f"t{place}"}} for place in range(count)], otherwise=otherwise)
        for fields in ({}, {"type": "x"}, {"type": 1}, {"type": None}):
            answer = made(entry({**GOOD, **fields}))
            assert (answer.code if isinstance(answer, Refusal) else answer) == wanted


def test_a_user_without_identities_is_no_message_and_no_error():
    made = mapper(users=[{"customer_id": "$.user", "identities": {"mobile": "$.phone"}}], otherwise="dead_letter")
    assert made(entry(GOOD)) == Skipped("nothing to report: no identity, or no element")
