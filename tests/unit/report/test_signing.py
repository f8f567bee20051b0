"""The two signatures against every vector of the reference (sections 2.4, 2.5 and 3)."""

from __future__ import annotations

import hashlib
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.signing import (
    canonical_request_v3,
    hmac_sha1,
    percent_encode,
    signature_v2,
    signature_v3,
    string_to_sign_v2,
    string_to_sign_v3,
)

COMMON = {"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0"}

DESCRIBE_REGIONS = COMMON | {
    "AccessKeyId": "testid",
    "Action": "DescribeRegions",
    "Format": "XML",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "Timestamp": "2016-02-23T12:46:24Z",
    "Version": "2014-05-26",
}
DESCRIBE_HOSTS = COMMON | {
    "AccessKeyId": "testid",
    "Action": "DescribeDedicatedHosts",
    "Format": "JSON",
    "RegionId": "cn-beijing",
    "SignatureNonce": "edb2b34af0af9a6d14deaf7c1a5315eb",
    "Timestamp": "2023-03-13T08:34:30Z",
    "Version": "2014-05-26",
}
SEND_SMS = COMMON | {
    "AccessKeyId": "testId",
    "Action": "SendSms",
    "Format": "XML",
    "OutId": "123",
    "PhoneNumbers": "15300000001",
    "RegionId": "cn-hangzhou",
    "SignName": "阿里云短信测试专用",
    "SignatureNonce": "45e25e9b-0a6f-4070-8c85-2956eda1b466",
    "TemplateCode": "SMS_71390007",
    "TemplateParam": '{"customer":"test"}',
    "Timestamp": "2017-07-12T02:42:19Z",
    "Version": "2017-05-25",
}
EMPTY_VALUES = COMMON | {
    "AccessKeyId": "accessKeyId",
    "Action": "",
    "Format": "JSON",
    "RegionId": "regionId",
    "SignatureNonce": "MOCK_UUID",
    "SignatureType": "",
    "Timestamp": "mock date",
    "Version": "",
}
EVENTS = (
    '[{"organizationId":"org-0001","customerId":"customer001","eventSourceCode":"app key+1","eventCode":"pay_order",'
    '"eventTime":1651114368518,"extendAttributes":{"outBizId":"biz-0001","title":"红色 T恤*~/&=%"},'
    '"customerIdList":[{"customerId":"13888888888","idMapping":"mobile"}],"v":1}]'
)
USERS = (
    '[{"customerId":"customer001","customerIdList":[{"customerId":"13888888888","idMapping":"mobile"}],'
    '"organizationId":"org-0001","v":1}]'
)
OURS = COMMON | {
    "AccessKeyId": "testid",
    "Format": "JSON",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "Timestamp": "2024-01-02T03:04:05Z",
    "Version": "2020-05-15",
    "OrganizationId": "org-0001",
    "AccessId": "retailadvqa-cn-test",
    "RegionId": "cn-shanghai",
}
REPORT_EVENTS = OURS | {"Action": "RecieveEventMessage", "EventMessageModelListStr": EVENTS}
REPORT_USERS = OURS | {"Action": "RecieveUserMessage", "CustomerMessageModelListStr": USERS}
TOKEN = {"SecurityToken": "sts+token/=="}
EMPTY_TYPE = {"SignatureType": ""}


@pytest.mark.parametrize(
    ("method", "secret", "parameters", "signature"),
    [
        pytest.param("GET", "testsecret", DESCRIBE_REGIONS, "OLeaidS1JvxuMvnyHOwuJ+uX5qY=", id="A"),
        pytest.param("GET", "testsecret", DESCRIBE_HOSTS, "9NaGiOspFP5UPcwX8Iwt2YJXXuk=", id="B"),
        pytest.param("GET", "testSecret", SEND_SMS, "zJDF+Lrzhj/ThnlvIToysFRq6t4=", id="C"),
        pytest.param("GET", "accessKeySecret", EMPTY_VALUES, "7loPmFjvDnzOVnQeQNj85S6nFGY=", id="D"),
        pytest.param(
            "GET",
            "accessKeySecret",
            EMPTY_VALUES | {"SecurityToken": "accessKeyStsToken"},
            "5Nxdcler+ihqWqv0Hr2On4PsBf4=",
            id="D-token",
        ),
        pytest.param("GET", "secret", {"query": "test", "body": "test"}, "XlUyV4sXjOuX5FnjUz9IF9tm5rU=", id="F"),
        pytest.param("POST", "testsecret", REPORT_EVENTS, "K2ArP99UX0C3HKRWaRiFsUoqdMg=", id="H1"),
        pytest.param("POST", "testsecret", REPORT_EVENTS | EMPTY_TYPE, "FBNKU61zYh7EOpVJB0pWdyRotqA=", id="H1-type"),
        pytest.param("POST", "testsecret", REPORT_EVENTS | TOKEN, "73kwfm3l6uT8f7fyE1NgcbQcCW0=", id="H2"),
        pytest.param(
            "POST", "testsecret", REPORT_EVENTS | TOKEN | EMPTY_TYPE, "nFp1kz3fFZshBbkkXWi+huH5HsM=", id="H2-type"
        ),
        pytest.param("POST", "testsecret", REPORT_USERS, "ZKCNDR2gdCDeNX7I01c4xCBQtqs=", id="H3"),
    ],
)
def test_v2_signs_as_the_vectors_say(method, secret, parameters, signature):
    assert signature_v2(string_to_sign_v2(method, parameters), secret) == signature


def test_string_to_sign_of_vector_a():
    assert string_to_sign_v2("GET", DESCRIBE_REGIONS) == (
        "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML%26SignatureMethod%3DHMAC-SHA1"
        "%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf%26SignatureVersion%3D1.0%26Timestamp%3D2016-02-23T12%253A46%253A24Z"
        "%26Version%3D2014-05-26"
    )


def test_string_to_sign_with_a_form_field_of_vector_e():
    parameters = {"key": "value", "q": "http://domain/?q=value&q2=value2"}
    assert string_to_sign_v2("GET", parameters) == (
        "GET&%2F&key%3Dvalue%26q%3Dhttp%253A%252F%252Fdomain%252F%253Fq%253Dvalue%2526q2%253Dvalue2"
    )


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("source", "secret", "Jv4yi8SobFhg5t1C7nWLbhBSFZQ="),
        ("中文unicode", "secret", "szlfHs3WVaO/HgY3Cg7/uyXDaRw="),
        ("中文", "secret", "CqCYIa39h9SSWuXnTz8F5hh9UPA="),
        ("abc~!@#", "sk#$!~~~", "7eV3A584uvdgKVk8Ck8r9ukg1gE="),
    ],
)
def test_raw_hmac_of_vectors_g(text, key, expected):
    assert hmac_sha1(text, key) == expected


def test_string_to_sign_of_vector_h1_has_the_published_length_and_hash():
    text = string_to_sign_v2("POST", REPORT_EVENTS)
    assert len(text) == 1005
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "b2e17e1192a1a90f945201b664a99f14186465319fa7eb81b98b877dd767447a"
    )


def test_acs3_published_vector():
    empty = hashlib.sha256(b"").hexdigest()
    headers = [
        ("Host", "ecs.cn-shanghai.aliyuncs.com"),
        ("x-acs-action", "RunInstances"),
        ("x-acs-version", "2014-05-26"),
        ("x-acs-date", "2023-10-26T10:22:32Z"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
        ("x-acs-content-sha256", empty),
    ]
    query = {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    names = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
    signed = string_to_sign_v3(canonical_request_v3("POST", "/", query, headers, names, empty))
    assert signed == "ACS3-HMAC-SHA256\n7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
    assert (
        signature_v3(signed, "YourAccessKeySecret")
        == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_acs3_tea_vector():
    headers = [("x-acs-test", "http"), ("x-acs-test", "https")]
    payload = "55e12e91650d2fec56ec74e1d3e4ddbfce2ef3a65890c2a19ecf88a307e76a23"
    canonical = canonical_request_v3("GET", "/", {"test": "ok", "empty": ""}, headers, "x-acs-test", payload)
    assert (
        signature_v3(string_to_sign_v3(canonical), "secret")
        == "d16b30a7699ae9e43875b13195b2f81bcc3ed10c14a9b5eb780e51619aa50be1"
    )


def test_acs3_derived_vector_of_our_operation():
    body = urlencode({"EventMessageModelListStr": EVENTS}).encode()
    payload = hashlib.sha256(body).hexdigest()
    assert payload == "3224cbe1301022a84668438cc4afc1e8e372c83bef560760d19463e7f8a993d6"
    headers = [
        ("host", "quicka-public.cn-shanghai.aliyuncs.com"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-acs-action", "RecieveEventMessage"),
        ("x-acs-version", "2020-05-15"),
        ("x-acs-date", "2024-01-02T03:04:05Z"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
        ("x-acs-content-sha256", payload),
    ]
    query = {"AccessId": "retailadvqa-cn-test", "OrganizationId": "org-0001"}
    names = ";".join(sorted(name for name, _ in headers))
    signed = string_to_sign_v3(canonical_request_v3("POST", "/", query, headers, names, payload))
    assert signed.endswith("\n49fa91beeffb0cb20ba17fec060363ac856457e3a2fc3a10e813be06f8fbf834")
    assert (
        signature_v3(signed, "YourAccessKeySecret")
        == "439e9944d8cb2a73ea642ffdebb0e11133ecf64a5c1623bf274c2942f30fb617"
    )


def test_header_values_are_trimmed_and_names_lower_cased_in_the_canonical_request():
    canonical = canonical_request_v3("POST", "/", {}, [("X-Acs-Test", "  a b \t")], "x-acs-test", "hash")
    assert canonical == "POST\n/\n\nx-acs-test:a b\n\nx-acs-test\nhash"


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_only_unreserved_characters_stay_as_they_are(text):
    kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
    expected = "".join(c if c in kept else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)
    assert percent_encode(text) == expected
