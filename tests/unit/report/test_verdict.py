"""Every row of the verdict table, the hints to wait, and the texts of the service that no outcome repeats."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.contracts.values import Delivered, Exhausted, Halt, Refused, Retry
from pipeline.report.error_codes import OUTCOMES, STATUSES, TABLE, Verdict, verdict_of
from pipeline.report.verdict import MOST_AFTER_MS, after_ms, judge
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "reporting.md"


def error(code, message="", **more):
    return json.dumps({"Code": code, "Message": message, "RequestId": "R-1", "HostId": "h", **more}).encode()


def answer(success=None, code=None, desc="", **more):
    document = {"RequestId": "R-1", "Success": success, "ErrorCode": code, "ErrorDesc": desc, "TraceId": "T-1"}
    return json.dumps(document | more).encode()


def summary(outcome):
    """Return the outcome without its reason."""
    if isinstance(outcome, Retry):
        kind = "throttled" if outcome.throttled else "retry"
        return (kind, outcome.outage, outcome.in_doubt, outcome.limit, outcome.exhausted)
    return type(outcome).__name__.lower()


FOR_EVER = ("retry", True, False, None, Exhausted.HALT)
THROTTLED = ("throttled", False, False, None, Exhausted.HALT)
IN_DOUBT = ("retry", True, True, None, Exhausted.HALT)
INTERNAL = ("retry", False, False, 8, Exhausted.ISOLATE_OR_RETRY)
NONCE = ("retry", False, True, 3, Exhausted.HALT)
CLOCK = ("retry", True, False, 2, Exhausted.HALT)
EXPIRED = ("retry", True, False, 5, Exhausted.HALT)
TOO_LARGE = ("retry", False, False, 2, Exhausted.HALVE_OR_HALT)
CONTENT = UNKNOWN = ("retry", False, False, 2, Exhausted.ISOLATE_OR_HALT)

# Code, status it was seen with, outcome: every code of the reference's section 4.2, and what it leaves open.
CODES = [
    ("Throttling", 400, THROTTLED),
    ("Throttling.User", 400, THROTTLED),
    ("Throttling.Api", 429, THROTTLED),
    ("Throttling.Other", 503, THROTTLED),
    ("Rejected.Throttling", 400, THROTTLED),
    ("ServiceUnavailable", 503, FOR_EVER),
    ("ServiceUnavailable", 504, FOR_EVER),
    ("InternalError", 500, INTERNAL),
    ("UnknownError", 500, INTERNAL),
    ("SignatureNonceUsed", 400, NONCE),
    ("InvalidTimeStamp.Expired", 400, CLOCK),
    ("InvalidTimeStamp.Format", 400, CLOCK),
    ("InvalidTimestamp.Expired", 400, CLOCK),
    ("IllegalTimestamp", 400, CLOCK),
    ("InvalidSecurityToken.Expired", 400, EXPIRED),
    ("InvalidSecurityToken.Malformed", 400, "halt"),
    ("InvalidSecurityToken.MismatchWithAccessKey", 400, "halt"),
    ("MissingSecurityToken", 400, "halt"),
    ("InvalidAccessKeyId.NotFound", 404, "halt"),
    ("InvalidAccessKeyId.NotFound", 400, "halt"),
    ("InvalidAccessKeyId.Inactive", 400, "halt"),
    ("Forbidden.AccessKeyDisabled", 403, "halt"),
    ("SignatureDoesNotMatch", 400, "halt"),
    ("SignatureDoesNotMatch", 403, "halt"),
    ("IncompleteSignature", 400, "halt"),
    ("InvalidSignatureMethod", 400, "halt"),
    ("Forbidden", 403, "halt"),
    ("Forbidden.RAM", 403, "halt"),
    ("Forbidden.RiskControl", 403, "halt"),
    ("ActionUnauthorized", 403, "halt"),
    ("InvalidApi.NotFound", 404, "halt"),
    ("InvalidProduct.NotFound", 404, "halt"),
    ("NoSuchVersion", 400, "halt"),
    ("InvalidAction", 400, "halt"),
    ("InvalidAction.NotFound", 404, "halt"),
    ("UnsupportedHTTPMethod", 400, "halt"),
    ("InvalidProtocol.NeedSsl", 400, "halt"),
    ("InvalidRegion.NotFound", 404, "halt"),
    ("InvalidOrganizationId", 400, "halt"),
    ("MissingAccessId", 400, "halt"),
    ("MissingParameter", 400, CONTENT),
    ("MissingCustomerId", 400, CONTENT),
    ("InvalidParameter", 400, CONTENT),
    ("InvalidParameter.Format", 400, CONTENT),
    ("InvalidEventCode", 400, CONTENT),
    ("ContentMD5NotMatched", 400, CONTENT),
    ("ContentLengthDoesNotMatch", 400, CONTENT),
    ("RequestEntityTooLarge", 413, TOO_LARGE),
    ("RequestBodyTooLarge", 400, TOO_LARGE),
    ("SomethingNobodyKnows", 400, UNKNOWN),
    ("SomethingNobodyKnows", 404, UNKNOWN),
    ("SomethingNobodyKnows", 500, FOR_EVER),
    ("SomethingNobodyKnows", 413, TOO_LARGE),
]


@pytest.mark.parametrize(("code", "status", "expected"), CODES)
def test_a_gateway_code_decides(code, status, expected):
    outcome = judge(status, {}, error(code))
    assert summary(outcome) == expected
    assert (outcome.code, outcome.request_id) == (code, "R-1")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_every_row_of_the_table_is_reached_by_its_own_code(row):
    code = row.code.removesuffix("*") + (".Any" if row.code.endswith("*") else "")
    assert verdict_of(400, code) is row.verdict
    assert judge(400, {}, error(code))[1] == OUTCOMES[row.verdict].reason


@pytest.mark.parametrize("code", [code for code, status, _ in CODES if status < 500 and not code.startswith("Some")])
def test_a_code_decides_whatever_the_status(code):
    assert {verdict_of(status, code) for status in (200, 302, 400, 403, 404, 429, 500, 503)} == {verdict_of(400, code)}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, UNKNOWN),
        (401, UNKNOWN),
        (403, UNKNOWN),
        (404, UNKNOWN),
        (408, FOR_EVER),
        (413, TOO_LARGE),
        (429, THROTTLED),
        (500, FOR_EVER),
        (502, IN_DOUBT),
        (503, FOR_EVER),
        (504, IN_DOUBT),
        (301, "halt"),
        (302, "halt"),
        (307, "halt"),
        (308, "halt"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>proxy</html>", b"{}", b"[1]", b"\xff\x00", b'{"Code":"not a code"}'])
def test_without_a_code_the_status_decides(status, expected, body):
    outcome = judge(status, {}, body)
    assert summary(outcome) == expected
    assert outcome.code == f"HTTP{status}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (answer(success=False, code="ES0110000002", desc="Authentication failed!"), "halt"),
        (answer(success=False, code="ES0110000099"), UNKNOWN),
        (answer(success=False), UNKNOWN),
        (answer(success="false", code="ES0110000002"), "halt"),
        (answer(success=False, code="Throttling.User"), THROTTLED),
        (answer(success=False, code="ES0110000002", Code="OK"), "halt"),
        (b'{"success":false,"errorCode":"ES0110000002"}', "halt"),
        (error("Throttling"), THROTTLED),
        (error("InvalidParameter"), CONTENT),
    ],
)
def test_a_200_that_says_no_is_a_no(body, expected):
    assert summary(judge(200, {}, body)) == expected


@pytest.mark.parametrize(
    "body",
    [
        answer(success=True),
        answer(success="true", Data="x"),
        b'{"requestId":"R-1","success":true,"traceId":"T-1"}',
        b"<RecieveEventMessageResponse><RequestId>R-1</RequestId><Success>true</Success></RecieveEventMessageResponse>",
    ],
)
def test_a_yes_in_every_spelling_is_delivered(body):
    outcome = judge(200, {}, body)
    assert isinstance(outcome, Delivered)
    assert outcome.request_id == "R-1"


@pytest.mark.parametrize("status", [301, 400, 403, 500, 503])
def test_a_yes_with_another_status_is_not_delivered(status):
    assert not isinstance(judge(status, {}, answer(success=True)), Delivered)


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"<html><body>Welcome, please sign in</body></html>", b"{}", b'{"Success":1}', b'"true"', b"[true]"],
)
def test_a_200_that_is_no_answer_of_the_apis_is_in_doubt_and_sent_again(body):
    outcome = judge(200, {}, body)
    assert summary(outcome) == IN_DOUBT
    assert outcome.code == "NotAnAnswer"


def test_an_xml_error_is_read():
    body = (
        b'<?xml version="1.0"?><Error><RequestId>R-1</RequestId><Code>Forbidden.RAM</Code><Message>m</Message></Error>'
    )
    outcome = judge(403, {}, body)
    assert (outcome.code, outcome.request_id, summary(outcome)) == ("Forbidden.RAM", "R-1", "halt")


# --- hints ---

NOW = datetime(2026, 11, 11, 0, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x-acs-retry-after": "1500"}, 1500),
        ({"x-acs-retry-after": "1500", "retry-after": "9"}, 1500),
        ({"x-acs-retry-after": "soon", "retry-after": "9"}, 9000),
        ({"retry-after": "0"}, 0),
        ({"retry-after": format_datetime(NOW.replace(second=7), usegmt=True)}, 7000),
        ({"retry-after": format_datetime(NOW.replace(year=2025), usegmt=True)}, 0),
        (
            {
                "retry-after": format_datetime(NOW.replace(minute=20, second=7), usegmt=True),
                "date": format_datetime(NOW.replace(minute=20, second=5), usegmt=True),
            },
            2000,
        ),
        ({"retry-after": format_datetime(NOW.replace(second=7), usegmt=True), "date": "now"}, 7000),
        ({"retry-after": "next week"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "999999999999"}, MOST_AFTER_MS),
        ({"x-ratelimit-user": "Limit:100,Remain:0,TimeLeft:400"}, 500),
        ({"x-ratelimit-user-api": "Remain:0,TimeLeft:400", "x-ratelimit-user": "Remain:0,TimeLeft:900"}, 500),
        ({"x-ratelimit-user": "Remain:7,TimeLeft:400"}, None),
        ({"x-ratelimit-user": "Remain:-1,TimeLeft:400"}, None),
        ({"x-ratelimit-user": "Remain:0"}, None),
    ],
)
def test_the_servers_hint_is_read(headers, expected):
    assert after_ms(headers, NOW.timestamp()) == expected


@pytest.mark.parametrize(
    ("status", "body"), [(400, error("Throttling")), (200, answer(success=False, code="Throttling"))]
)
def test_throttling_carries_the_hint(status, body):
    outcome = judge(status, {"x-acs-retry-after": "1500"}, body)
    assert outcome.after_ms == 1500


# --- the signature ---

SIGNED = "POST&%2F&AccessId%3Dx%26EventMessageModelListStr%3D" + "%257B" * 30_000
SAYS = "Specified signature is not matched with our calculation. server string to sign is:"


def test_the_same_string_to_sign_means_a_wrong_secret():
    outcome = judge(400, {}, error("SignatureDoesNotMatch", SAYS + SIGNED), SIGNED.encode())
    assert "secret is wrong" in outcome.reason


def test_another_string_to_sign_means_another_encoding():
    outcome = judge(400, {}, error("SignatureDoesNotMatch", SAYS + SIGNED.replace("%257B", "%7B")), SIGNED.encode())
    assert "another text" in outcome.reason


@pytest.mark.parametrize("message", ["", "no string here", SAYS + SIGNED[:500]])
def test_without_the_whole_string_nothing_is_concluded(message):
    outcome = judge(400, {}, error("SignatureDoesNotMatch", message), SIGNED.encode())
    assert outcome.reason == OUTCOMES[Verdict.CREDENTIALS].reason


# --- what never leaves the answer ---


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 413, 500, 503])
@pytest.mark.parametrize(
    "code", ["SignatureDoesNotMatch", "InvalidParameter", "SomethingNobodyKnows", "ES0110000002", "13888888888"]
)
def test_no_outcome_repeats_the_services_text(status, code):
    echoed = f"{SAYS}13888888888 zhang@example.com oUx_secret-openid"
    body = json.dumps(
        {"Code": code, "Message": echoed, "Success": False, "ErrorCode": code, "ErrorDesc": echoed, "RequestId": echoed}
    ).encode()
    outcome = judge(status, {}, body, SIGNED.encode())
    assert not re.search("13888888888|zhang@|oUx_|257B", str(outcome))


@given(
    status=st.integers(100, 599),
    body=st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(["Success", "success", "Code", "code", "ErrorCode", "Message", "RequestId", "TraceId"]),
            st.one_of(
                st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.lists(st.integers(), max_size=2)
            ),
        ).map(lambda document: json.dumps(document).encode()),
    ),
    headers=st.dictionaries(
        st.sampled_from(["date", "retry-after", "x-acs-retry-after", "x-ratelimit-user", "x-ratelimit-user-api"]),
        st.text(max_size=40),
    ),
)
@example(status=400, body=b'{"a":' * 100_000, headers={"retry-after": "Mon, 01 Jan 9999 99:99:99 GMT"})
@example(status=400, body=b"<Code>" * 10_000, headers={"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359"})
def test_any_answer_has_an_outcome_and_only_a_plain_yes_is_delivered(status, body, headers):
    outcome = judge(status, headers, body, b"signed", now_s=NOW.timestamp())
    assert isinstance(outcome, Delivered | Retry | Refused | Halt)
    if isinstance(outcome, Delivered):
        assert 200 <= status < 300
        assert b"true" in body.lower()
    else:
        assert outcome.code
        assert outcome.reason in {each.reason for each in OUTCOMES.values()} or outcome.code == "SignatureDoesNotMatch"


# --- the page ---


def page_rows(heading):
    section = PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2].partition("\n#")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return rows[2:]


def test_the_page_shows_the_table_of_codes():
    shown = [(cells[0].strip("`"), cells[1]) for cells in page_rows("### Codes")]
    assert shown == [(row.code, row.verdict.value) for row in TABLE]


def test_the_page_shows_the_statuses():
    shown = {}
    for status, verdict in page_rows("### Statuses"):
        first, _, last = status.partition("-")
        shown |= dict.fromkeys(range(int(first), int(last or first) + 1), verdict)
    assert shown == {status: verdict.value for status, verdict in STATUSES.items()}


def test_the_page_shows_how_it_goes_on_with_each_class():
    shown = {cells[0]: cells[1:5] for cells in page_rows("### Classes")}
    assert set(shown) == {verdict.value for verdict in Verdict}
    for verdict, expected in OUTCOMES.items():
        outcome, limit, exhausted, rests = shown[verdict.value]
        assert outcome == type(expected).__name__
        if isinstance(expected, Retry):
            assert limit == ("no limit" if expected.limit is None else str(expected.limit))
            assert exhausted == ("" if expected.limit is None else expected.exhausted.value.replace("_", " "))
            slows = "slows down" if expected.throttled else "no"
            assert rests == ("yes" if expected.outage or expected.exhausted is not Exhausted.HALT else slows)
