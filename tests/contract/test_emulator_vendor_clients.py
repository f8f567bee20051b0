"""The vendor's own Python clients report to the stand-in unchanged."""

from __future__ import annotations

import json

import pytest
from alibabacloud_tea_openapi import models as tea_models
from alibabacloud_tea_openapi.client import Client as TeaClient
from alibabacloud_tea_util import models as util_models
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from Tea.exceptions import TeaException

from pipeline.emulator.quick_audience.server import StandIn
from pipeline.emulator.quick_audience.settings import StandInSettings

EVENT = {
    "organizationId": "org-0001",
    "customerId": "customer001",
    "eventSourceCode": "app key+1",
    "eventCode": "pay_order",
    "eventTime": 1651114368518,
    "extendAttributes": {"outBizId": "biz-0001", "title": "红色 T恤*~/&=%"},
    "customerIdList": [{"customerId": "13888888888", "idMapping": "mobile"}],
    "v": 1,
}
USER = {
    "customerId": "customer001",
    "customerIdList": [{"customerId": "13888888888", "idMapping": "mobile"}],
    "organizationId": "org-0001",
    "v": 1,
}


def core_call(url, action, field, messages, secret="testsecret", position="query"):
    client = AcsClient("testid", secret, "cn-shanghai")
    request = CommonRequest(domain=url.removeprefix("http://"), version="2020-05-15", action_name=action)
    request.set_protocol_type("http")
    request.set_method("POST")
    for name, value in (("OrganizationId", "org-0001"), ("AccessId", "retailadvqa-cn-test")):
        (request.add_query_param if position == "query" else request.add_body_params)(name, value)
    request.add_body_params(field, json.dumps(messages, ensure_ascii=False))
    return json.loads(client.do_action_with_exception(request))


@pytest.mark.parametrize("position", ["query", "body"])
def test_the_python_core_reports_events(stand_in, position):
    answer = core_call(stand_in.url, "RecieveEventMessage", "EventMessageModelListStr", [EVENT], position=position)
    assert answer["Success"] is True
    assert set(answer) == {"RequestId", "Success", "ErrorCode", "ErrorDesc", "TraceId", "Data"}
    assert stand_in.ledger.events == {("org-0001", "pay_order", "biz-0001"): 1}


def test_the_python_core_reports_users(stand_in):
    assert core_call(stand_in.url, "RecieveUserMessage", "CustomerMessageModelListStr", [USER])["Success"] is True
    assert stand_in.ledger.users == {("org-0001", "customer001"): 1}


def test_the_python_core_is_told_its_secret_is_wrong(stand_in):
    with pytest.raises(ServerException) as refused:
        core_call(stand_in.url, "RecieveEventMessage", "EventMessageModelListStr", [EVENT], secret="another")
    assert refused.value.get_error_code() == "SignatureDoesNotMatch"
    assert "server string to sign is:POST&%2F&" in refused.value.get_error_msg()


@pytest.mark.parametrize("token", [None, "sts+token/=="])
def test_the_newer_client_reports_under_acs3(token):
    with StandIn(StandInSettings(security_token=token)) as stand_in:
        configuration = tea_models.Config(
            access_key_id="testid",
            access_key_secret="testsecret",
            security_token=token,
            type="sts" if token else None,
            endpoint=stand_in.url.removeprefix("http://"),
            protocol="http",
        )
        client = TeaClient(configuration)
        parameters = tea_models.Params(
            action="RecieveEventMessage", version="2020-05-15", protocol="HTTP", method="POST", auth_type="AK", style="RPC", pathname="/",
            req_body_type="formData", body_type="json",
        )  # fmt: skip
        request = tea_models.OpenApiRequest(
            query={"OrganizationId": "org-0001", "AccessId": "retailadvqa-cn-test"},
            body={"EventMessageModelListStr": json.dumps([EVENT], ensure_ascii=False)},
        )
        answer = client.call_api(parameters, request, util_models.RuntimeOptions())
        assert answer["body"]["Success"] is True
        assert stand_in.ledger.events.total() == 1


def test_the_python_core_lists_workspaces(stand_in):
    client = AcsClient("testid", "testsecret", "cn-shanghai")
    request = CommonRequest(
        domain=stand_in.url.removeprefix("http://"), version="2020-05-15", action_name="ListWorkspace"
    )
    request.set_protocol_type("http")
    request.set_method("GET")
    request.add_query_param("TenantId", "org-0001")
    request.add_query_param("AccessId", "retailadvqa-cn-test")
    answer = json.loads(client.do_action_with_exception(request))
    assert answer["Data"] == [{"WorkspaceId": "ws-0001", "WorkspaceName": "stand-in"}]


@pytest.mark.parametrize(
    ("tenant", "found"), [("org-0001", "ws-0001"), ("org-0002", "InvalidTenantId.NotFound"), ("", "MissingTenantId")]
)
def test_the_newer_client_lists_workspaces_under_acs3(stand_in, tenant, found):
    configuration = tea_models.Config(
        access_key_id="testid",
        access_key_secret="testsecret",
        endpoint=stand_in.url.removeprefix("http://"),
        protocol="http",
    )
    parameters = tea_models.Params(
        action="ListWorkspace", version="2020-05-15", protocol="HTTP", method="GET", auth_type="AK", style="RPC", pathname="/",
        req_body_type="formData", body_type="json",
    )  # fmt: skip
    request = tea_models.OpenApiRequest(query={"TenantId": tenant, "AccessId": "retailadvqa-cn-test"})
    client = TeaClient(configuration)
    if found == "ws-0001":
        answer = client.call_api(parameters, request, util_models.RuntimeOptions())
        assert answer["body"]["Data"][0]["WorkspaceId"] == found
    else:
        with pytest.raises(TeaException) as refused:
            client.call_api(parameters, request, util_models.RuntimeOptions())
        assert refused.value.code == found
