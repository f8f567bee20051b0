"""The calls that the stand-in's gateway refuses, with status and code."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import orjson
import pytest

from pipeline.emulator.quick_audience.faults import read_faults
from pipeline.emulator.quick_audience.server import StandIn
from pipeline.emulator.quick_audience.settings import StandInSettings
from pipeline.errors import UsageError
from pipeline.report.signing import signature_v2, string_to_sign_v2

EVENT = {
    "organizationId": "org-0001",
    "customerId": "c",
    "eventCode": "e",
    "eventTime": 1651114368518,
    "extendAttributes": {"outBizId": "b"},
}


def call(url, *, secret="testsecret", messages=(EVENT,), in_body=False, spoil=None, timeout_s=10, **changed):
    """Sign and send a call as an SDK does. Return status and answer. A parameter that `changed` sets to None is left out."""
    query = {
        "Action": "RecieveEventMessage", "Version": "2020-05-15", "Format": "JSON", "AccessKeyId": "testid", "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0", "SignatureNonce": f"{time.monotonic_ns()}", "SignatureType": "", "RegionId": "cn-shanghai",
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "OrganizationId": "org-0001", "AccessId": "retailadvqa-cn-test", **changed,
    }  # fmt: skip
    query = {name: value for name, value in query.items() if value is not None}
    body = {"EventMessageModelListStr": orjson.dumps(list(messages)).decode()}
    query["Signature"] = signature_v2(string_to_sign_v2("POST", {**query, **body}), secret)
    if in_body:
        body |= {name: query.pop(name) for name in ("OrganizationId", "AccessId")}
    if spoil:
        body["EventMessageModelListStr"] += spoil
    request = urllib.request.Request(
        f"{url}/?{urlencode(query, quote_via=quote)}", data=urlencode(body).encode(), method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_good_call_is_taken_wherever_its_parameters_stand(stand_in):
    for in_body in (False, True):
        status, body = call(stand_in.url, in_body=in_body)
        assert (status, orjson.loads(body)["Success"]) == (200, True)


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"secret": "other"}, 400, "SignatureDoesNotMatch"),
        ({"spoil": " "}, 400, "SignatureDoesNotMatch"),
        ({"AccessKeyId": "other"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, 400, "InvalidTimeStamp.Expired"),
        ({"Timestamp": "now"}, 400, "InvalidTimeStamp.Format"),
        ({"Version": "2023-04-17"}, 400, "NoSuchVersion"),
        ({"Action": "ReceiveEventMessage"}, 404, "InvalidApi.NotFound"),
        ({"SignatureNonce": None}, 400, "MissingSignatureNonce"),
        ({"SecurityToken": "token"}, 400, "InvalidSecurityToken.MismatchWithAccessKey"),
    ],
)
def test_the_gateway_refuses_with_its_own_codes(stand_in, changed, status, code):
    found, body = call(stand_in.url, **changed)
    answer = orjson.loads(body)
    assert (found, answer["Code"]) == (status, code)
    assert answer["RequestId"]
    assert answer["HostId"]
    assert ("server string to sign is:POST&%2F&" in answer["Message"]) == (code == "SignatureDoesNotMatch")
    assert stand_in.ledger.events.total() == 0


def test_a_nonce_does_not_pass_twice(stand_in):
    assert call(stand_in.url, SignatureNonce="once")[0] == 200
    status, body = call(stand_in.url, SignatureNonce="once")
    assert (status, orjson.loads(body)["Code"]) == (400, "SignatureNonceUsed")


def test_without_format_json_the_answer_is_xml(stand_in):
    status, body = call(stand_in.url, Format=None, AccessKeyId="other")
    assert status == 404
    assert b"<Error><Code>InvalidAccessKeyId.NotFound</Code>" in body
    status, body = call(stand_in.url, Format=None)
    assert status == 200
    assert b"<Success>true</Success>" in body
    assert b"ErrorCode" not in body
    _, body = call(stand_in.url, Format=None, OrganizationId="org-0002")
    assert b"<Success>false</Success><ErrorCode>ES0110000002</ErrorCode>" in body


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [EVENT] * 101,
        [{**EVENT, "customerId": ""}],
        [{**EVENT, "eventTime": "1651114368518"}],
        [{**EVENT, "extendAttributes": {"outBizId": ""}}],
        [{**EVENT, "extendAttributes": {"outBizId": "b", "n": 1}}],
        [{**EVENT, "organizationId": "org-0002"}],
        [{**EVENT, "surprise": "x"}],
        [EVENT, {**EVENT, "workspaceId": None, "customerIdList": [{"customerId": "1", "idMapping": "phone"}]}],
    ],
)
def test_messages_that_break_the_model_fail_the_whole_batch(stand_in, messages):
    status, body = call(stand_in.url, messages=messages)
    answer = orjson.loads(body)
    assert (status, answer["Success"], answer["ErrorCode"]) == (200, False, "ES0110000400")
    assert stand_in.ledger.events.total() == 0


def test_a_message_that_breaks_the_model_is_named(stand_in):
    _, body = call(stand_in.url, messages=[EVENT, {**EVENT, "extendAttributes": {"key1": "value1"}}])
    assert "message 1 of 2, counted from 0: extendAttributes: " in orjson.loads(body)["ErrorDesc"]
    assert "must hold a non-empty outBizId" in orjson.loads(body)["ErrorDesc"]
    _, body = call(stand_in.url, messages=[{**EVENT, "customerIdList": [{"customerId": "1", "idMapping": "phone"}]}])
    assert "message 0 of 1, counted from 0: customerIdList.0.idMapping: " in orjson.loads(body)["ErrorDesc"]


def test_another_organisation_is_the_published_business_error(stand_in):
    _, body = call(stand_in.url, OrganizationId="org-0002")
    assert orjson.loads(body)["ErrorCode"] == "ES0110000002"


def test_its_clock_can_be_set(stand_in):
    urllib.request.urlopen(urllib.request.Request(f"{stand_in.url}/_stand-in/clock/-1000", method="POST")).close()
    assert orjson.loads(call(stand_in.url)[1])["Code"] == "InvalidTimeStamp.Expired"


def test_every_page_says_that_it_is_a_stand_in(stand_in):
    for path in ("/", "/_stand-in/ledger", "/_stand-in/faults", "/_stand-in/ledger/events"):
        with urllib.request.urlopen(stand_in.url + path) as answer:
            assert answer.headers["x-log2mq"] == "stand-in"
            assert b"tand-in" in (body := answer.read()) or b"stand_in" in body


def test_its_page_counts_events_by_code(stand_in):
    stand_in.ledger.accept("event", "org-0001", [{"eventCode": "<paid>", "extendAttributes": {"outBizId": "a"}}])
    with urllib.request.urlopen(stand_in.url) as answer:
        assert b"<tr><th>&lt;paid&gt;<td>1" in answer.read()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/nowhere", None, 404, "Not Found; the stand-in's page is at /"),
        ("DELETE", "/", None, 405, "Method Not Allowed"),
        ("PUT", "/_stand-in/faults", b'{"faults": [{"name": "o", "do": "x"}]}', 400, "faults[0].do: found 'x'; expected one of 'delay'"),
        ("PUT", "/_stand-in/faults", b"{nope", 400, "found no JSON; expected a fault script as JSON"),
        ("PUT", "/_stand-in/faults", b"[]", 400, "expected a mapping"),
        ("POST", "/_stand-in/clock/soon", b"", 400, "expected the seconds"),
        ("GET", "/_stand-in/ledger/events?at_least=x", None, 400, "at_least: expected a whole number"),
    ],
)  # fmt: skip
def test_what_it_does_not_understand_is_said_and_by_whom(stand_in, method, path, body, status, says):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(stand_in.url + path, data=body, method=method))
    with refused.value as answer:
        assert answer.code == status
        assert answer.headers["x-log2mq"] == "stand-in"
        assert says in orjson.loads(answer.read())["error"]


def test_the_ledger_survives_a_restart(tmp_path):
    settings = StandInSettings(ledger=tmp_path / "ledger.jsonl")
    for expected in (1, 2):
        with StandIn(settings) as stand_in:
            call(stand_in.url)
            assert stand_in.ledger.events[("org-0001", "e", "b")] == expected


def test_it_serves_on_loopback_only():
    with pytest.raises(UsageError, match="expected a loopback address"):
        StandIn(StandInSettings(host="0.0.0.0"))


def test_a_wrong_fault_script_is_named_with_line_and_key(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n  - {name: a, do: delay}\n  - {name: b, do: explode}\n")
    with pytest.raises(UsageError, match=r"faults\.yaml:3: faults\[1\]\.do: "):
        read_faults(path)


def test_a_business_error_refuses_every_batch_of_its_operation_and_accepts_none(stand_in):
    stand_in.set_faults(
        {"name": "odd", "do": "business_error", "error_code": "X1", "operation": "RecieveEventMessage"},
        {"name": "other", "do": "business_error", "error_code": "X2", "operation": "RecieveUserMessage"},
    )
    status, body = call(stand_in.url)
    answer = orjson.loads(body)
    assert (status, answer["Success"], answer["ErrorCode"]) == (200, False, "X1")
    assert stand_in.ledger.totals()["events"] == 0


@pytest.mark.parametrize(("fault", "accepted"), [("hang_before", 0), ("hang_after", 1)])
def test_a_call_that_hangs_has_no_answer_until_the_client_gives_up(stand_in, fault, accepted):
    stand_in.set_faults({"name": "stuck", "do": fault})
    with pytest.raises(TimeoutError):
        call(stand_in.url, timeout_s=0.5)
    stand_in.set_faults()
    assert call(stand_in.url)[0] == 200
    assert stand_in.ledger.totals()["events"] == accepted + 1
