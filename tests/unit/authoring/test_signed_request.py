"""The request that `explain` shows: it is complete and contains no secret."""

from __future__ import annotations

import json

import pytest

from pipeline.authoring.signed_request import explain_request
from pipeline.report.credentials import Credentials
from pipeline.report.settings import ReportSettings
from pipeline.setting_types.secret import Secret
from transforms.base import Kind

CREDENTIALS = Credentials("testid-of-key", Secret("testsecret"), Secret("sts+token/=="))
MESSAGE = {
    "organizationId": "org-0001",
    "customerId": "customer001",
    "eventCode": "pay_order",
    "eventTime": 1651114368518,
    "extendAttributes": {"outBizId": "biz-0001", "title": "红色 T恤", "note": "call 13888888888 or zhang@example.com"},
    "customerIdList": [
        {"customerId": "13888888888", "idMapping": "mobile"},
        {"customerId": "oUx_1", "idMapping": "open_id"},
    ],
    "v": 1,
}


def explained(signature="v2"):
    settings = ReportSettings(
        region="cn-shanghai", organization_id="org-0001", access_id="retailadvqa-cn-test", signature=signature
    )
    message = json.dumps(MESSAGE, ensure_ascii=False).encode()
    return explain_request(
        settings, CREDENTIALS, Kind.EVENT, [message], clock=lambda: 1_704_164_645.0, nonce=lambda: "nonce-1"
    )


@pytest.mark.parametrize("signature", ["v2", "acs3"])
def test_nothing_secret_is_shown(signature):
    shown = str(explained(signature))
    for hidden in ("testid-of-key", "testsecret", "sts+token"):
        assert hidden not in shown


def test_the_v2_request_is_shown_whole():
    found = explained()
    assert found.url == "https://quicka-public.cn-shanghai.aliyuncs.com/"
    assert {name: found.query[name] for name in ("AccessKeyId", "Signature", "SecurityToken")} == dict.fromkeys(
        ("AccessKeyId", "Signature", "SecurityToken"), "***"
    )
    assert (found.query["Action"], found.query["Timestamp"], found.query["SignatureNonce"]) == (
        "RecieveEventMessage",
        "2024-01-02T03:04:05Z",
        "nonce-1",
    )
    assert found.field == "EventMessageModelListStr"
    assert found.messages == [MESSAGE]


def test_the_acs3_request_is_shown_with_its_headers():
    found = explained("acs3")
    assert found.headers["authorization"].startswith("ACS3-HMAC-SHA256 Credential=***,SignedHeaders=content-type;host;")
    assert found.headers["authorization"].endswith(",Signature=***")
    assert found.headers["x-acs-security-token"] == "***"
    assert found.headers["x-acs-action"] == "RecieveEventMessage"
