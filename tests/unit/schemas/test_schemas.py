"""The wire form of the models, the one rule for attribute strings, identities, and the readers of API answers."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.attribute import attribute_string
from schemas.customer import CustomerId, CustomerMessage, IdMapping
from schemas.event import EventMessage
from schemas.identity import normalise
from schemas.result import GatewayError, ReportResult

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def event(**more):
    return EventMessage(
        customer_id="c", event_code="e", event_time=1651114368518, extend_attributes={"outBizId": "b"}, **more
    )


def test_an_event_on_the_wire_is_camel_case_without_what_is_absent():
    assert event().wire() == {
        "customerId": "c",
        "eventCode": "e",
        "eventTime": 1651114368518,
        "extendAttributes": {"outBizId": "b"},
        "v": 1,
    }
    whole = event(
        organization_id="o",
        workspace_id="w",
        event_source_code="s",
        customer_id_list=[CustomerId(customer_id="1", id_mapping="mobile")],
    ).wire()
    assert whole["customerIdList"] == [{"customerId": "1", "idMapping": "mobile"}]
    assert EventMessage.model_validate(whole).wire() == whole


@pytest.mark.parametrize(
    "changed",
    [
        {"event_time": "1651114368518"}, {"event_time": True}, {"event_time": 0}, {"event_time": 1.5}, {"customer_id": ""}, {"event_code": None},
        {"extend_attributes": {}}, {"extend_attributes": {"outBizId": ""}}, {"extend_attributes": {"outBizId": "b", "n": 1}}, {"v": 2}, {"surprise": 1},
    ],
)  # fmt: skip
def test_what_is_no_event(changed):
    fields = {"customer_id": "c", "event_code": "e", "event_time": 1, "extend_attributes": {"outBizId": "b"}}
    with pytest.raises(ValidationError):
        EventMessage(**{**fields, **changed})


def test_a_user_needs_an_identity():
    with pytest.raises(ValidationError):
        CustomerMessage(customer_id="c", customer_id_list=[])
    assert len(IdMapping) == 12


@given(JSON)
def test_every_json_value_has_one_attribute_string_or_none(value):
    text = attribute_string(value)
    if value is None:
        assert text is None
    elif isinstance(value, str):
        assert text == value
    elif isinstance(value, bool):
        assert text == ("true" if value else "false")
    elif isinstance(value, int | float):
        assert "e" not in text.lower()
        assert Decimal(text) == Decimal(repr(value))
    else:
        exact = {"parse_int": Decimal, "parse_float": Decimal}
        assert json.loads(text, **exact) == json.loads(json.dumps(value), **exact)


@given(st.integers())
def test_integers_are_exact_whatever_their_size(number):
    assert attribute_string(number * 10**60) == f"{number * 10**60}"


def test_an_integer_of_five_thousand_digits_is_written_out():
    assert attribute_string(10**5_000) == "1" + "0" * 5_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.0, "12"),
        (1e22, "1" + "0" * 22),
        (1e-7, "0.0000001"),
        (Decimal("12.50"), "12.5"),
        (-0.0, "0"),
        (float("inf"), None),
        (Decimal("1e99999"), None),
        ({"a": [1, None, "红"]}, '{"a":[1,null,"红"]}'),
    ],
)
def test_numbers_without_exponents(value, text):
    assert attribute_string(value) == text


@pytest.mark.parametrize(
    "text",
    [
        "13800000000",
        "+86 138-0000-0000",
        "0086 138 0000 0000",
        "86 13800000000",
        " 138 0000 0000 ",
        "１３８００００００００",
    ],
)
def test_a_mobile_number_is_its_eleven_digits(text):
    assert normalise(IdMapping.MOBILE, text) == "13800000000"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (IdMapping.MOBILE, "12800000000", None),
        (IdMapping.MOBILE, "1380000000", None),
        (IdMapping.EMAIL, " Ann.Lee@Example.COM ", "Ann.Lee@example.com"),
        (IdMapping.EMAIL, "a@b@example.com", None),
        (IdMapping.EMAIL, "a@example", None),
        (IdMapping.IDFA, "6d92078a-8246-4ba4-ae5b-76104861e7dc", "6D92078A-8246-4BA4-AE5B-76104861E7DC"),
        (IdMapping.IDFA, "00000000-0000-0000-0000-000000000000", None),
        (IdMapping.MAC_ORG, "AA-BB-CC-DD-EE-0F", "aa:bb:cc:dd:ee:0f"),
        (IdMapping.MAC_ORG, "02:00:00:00:00:00", None),
        (IdMapping.IMEI, "35-209900-176148-1", "352099001761481"),
        (IdMapping.IMEI, "000000000000000", None),
        (IdMapping.OPEN_ID, " oUpF8uMuAJO_M2pxb1Q9zNjWeS6o ", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
        (IdMapping.OPEN_ID, "two words", None),
        (IdMapping.TAOBAO_NICK, "昵称 一", "昵称 一"),
        (IdMapping.ONEID, "x" * 257, None),
        (IdMapping.ALIPAY_ID, "   ", None),
    ],
)
def test_identities_by_type(kind, text, expected):
    assert normalise(kind, text) == expected


@given(
    st.sampled_from(IdMapping),
    st.text(max_size=300) | st.from_regex(r"\+?[0-9 -]{5,20}|[a-zA-Z.]{1,9}@[a-zA-Z.]{1,12}", fullmatch=True),
)
def test_normalising_twice_changes_nothing_more(kind, text):
    once = normalise(kind, text)
    if once is not None:
        assert normalise(kind, once) == once


@pytest.mark.parametrize(
    "keys",
    [
        ("Success", "ErrorCode", "ErrorDesc", "RequestId", "TraceId"),
        ("success", "errorCode", "errorDesc", "requestId", "traceId"),
    ],
)
@pytest.mark.parametrize(
    ("success", "expected"), [(True, True), ("true", True), ("False", False), (None, None), (1, None)]
)
def test_a_result_is_read_in_either_spelling(keys, success, expected):
    result = ReportResult.parse(dict(zip(keys, (success, "E1", "why", "r", "t"), strict=True)))
    assert result[:5] == (expected, "E1", "why", "r", "t")


@pytest.mark.parametrize(
    "body",
    [
        b'{"Code":"Throttling","Message":"a <b> & c","RequestId":"r","HostId":"h","Recommend":"x"}',
        b'{"code":"Throttling","message":"a <b> & c","requestId":"r","hostId":"h"}',
        b"<?xml version='1.0'?><Error><Code>Throttling</Code><Message>a &lt;b&gt; &amp; c</Message><RequestId>r</RequestId><HostId>h</HostId></Error>",
    ],
)
def test_a_gateway_error_is_read_as_json_or_xml(body):
    assert GatewayError.parse(body) == ("Throttling", "a <b> & c", "r", "h")


@given(st.binary(max_size=300) | st.text(alphabet='<>&;Code/{}[]":', max_size=300).map(str.encode))
def test_no_answer_of_a_proxy_makes_the_readers_raise(body):
    GatewayError.parse(body)
