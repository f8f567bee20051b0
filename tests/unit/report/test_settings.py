"""`report:` of a source file: the values that are accepted, and those that are refused before any connection."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from pipeline.report.flow_settings import FlowSettings
from pipeline.report.settings import REGIONS, BackoffSettings, BatchSettings, ReportSettings
from pipeline.setting_types.endpoint import checked_endpoint
from tests.support.paths import ROOT

NEEDED = {"organization_id": "org-0001", "access_id": "retailadvqa-cn-test"}


def settings(**changes):
    return ReportSettings.model_validate(NEEDED | changes)


def test_defaults_are_the_documented_ones():
    found = settings(region="cn-shanghai")
    assert (found.batch.events, found.batch.bytes, found.batch.age) == (100, 1 << 20, 1_000)
    assert (found.signature, found.senders, found.connect_timeout, found.read_timeout) == ("v2", 16, 5_000, 10_000)
    assert (found.backoff.first, found.backoff.most) == (200, 5_000)
    assert (found.proxy, found.ca_file, found.credentials, found.workspace_id) == (None, None, None, None)


@pytest.mark.parametrize("region", sorted(REGIONS))
def test_a_region_names_its_endpoint(region):
    found = settings(region=region)
    assert found.url == f"https://quicka-public.{region}.aliyuncs.com"
    assert found.region_id == region


def test_the_region_of_a_known_endpoint_is_recognised():
    found = settings(endpoint="https://Quicka-Public.cn-shenzhen.aliyuncs.com:443/")
    assert found.region_id == "cn-shenzhen"
    assert settings(endpoint="https://127.0.0.1:8443").region_id == "cn-shanghai"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://quicka.example", "https://quicka.example"),
        ("https://quicka.example:8443/", "https://quicka.example:8443"),
        ("http://127.0.0.1:8099", "http://127.0.0.1:8099"),
        ("http://127.8.9.10:80/", "http://127.8.9.10"),
        ("http://[::1]:8099", "http://[::1]:8099"),
        ("http://LOCALHOST:8099", "http://localhost:8099"),
        ("https://[2001:db8:0::1]", "https://[2001:db8::1]"),
    ],
)
def test_an_endpoint_is_taken(endpoint, url):
    assert checked_endpoint(endpoint) == url
    assert settings(endpoint=endpoint).url == url


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://quicka.example",
        "http://10.0.0.1:8099",
        "http://0.0.0.0:8099",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.1",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1\\@evil.example",
        "http://evil.example\\127.0.0.1",
        "http://evil.example#@127.0.0.1",
        "https://user:password@quicka.example",
        "https://quicka.example/path",
        "https://quicka.example?query",
        "https://quicka.example:99999",
        "https://quicka.example:0",
        "https://quicka example",
        "https://quicka..example",
        "https://999.1.1.1",
        "https://" + "a" * 64 + ".example",
        "https://[::1",
        "https://",
        "ftp://quicka.example",
        "quicka.example",
        "",
    ],
)
def test_an_endpoint_that_is_no_https_origin_is_refused(endpoint):
    with pytest.raises(ValidationError, match="expected"):
        settings(endpoint=endpoint)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"region": "cn-shanghai", "endpoint": "https://quicka.example"},
        {"region": "cn-beijing"},
        {"region": "cn-shanghai", "unknown": 1},
        {"region": "cn-shanghai", "organization_id": ""},
        {"region": "cn-shanghai", "access_id": "x" * 257},
        {"region": "cn-shanghai", "batch": {"events": 0}},
        {"region": "cn-shanghai", "batch": {"events": 101}},
        {"region": "cn-shanghai", "batch": {"evens": 10}},
        {"region": "cn-shanghai", "senders": 0},
        {"region": "cn-shanghai", "senders": 65},
        {"region": "cn-shanghai", "signature": "v3"},
        {"region": "cn-shanghai", "read_timeout": 0},
        {"region": "cn-shanghai", "backoff": {"first": "1m", "most": "1s"}},
        {"region": "cn-shanghai", "flow": {"calls": 0}},
        {"region": "cn-shanghai", "flow": {"least_senders": 0}},
        {"region": "cn-shanghai", "flow": {"least_senders": 17}},
        {"region": "cn-shanghai", "credentials": {"access_key_secret": "x"}},
        {"region": "cn-shanghai", "proxy": "proxy.example:3128"},
        {"region": "cn-shanghai", "proxy": "socks5://proxy.example"},
        {"region": "cn-shanghai", "proxy": "http://user:word@proxy.example:3128"},
        {"endpoint": "http://127.0.0.1:8099", "proxy": "http://proxy.example:3128"},
    ],
)
def test_a_wrong_setting_is_refused(changes):
    with pytest.raises(ValidationError):
        settings(**changes)


def test_a_file_that_sets_only_a_long_first_wait_stays_valid():
    assert settings(region="cn-shanghai", backoff={"first": "10s"}).backoff.longest == 10_000
    assert settings(region="cn-shanghai").backoff.longest == 5_000


def test_nothing_is_limited_unless_the_file_says_so():
    flow = settings(region="cn-shanghai").flow
    assert (flow.calls, flow.events, flow.users, flow.least_senders) == (None, None, None, 1)
    flow = settings(region="cn-shanghai", senders=4, flow={"calls": 0.5, "events": 1_000, "least_senders": 4}).flow
    assert (flow.calls, flow.events, flow.users, flow.least_senders) == (0.5, 1_000, None, 4)


def test_a_password_in_a_proxy_url_is_not_repeated_in_the_sentence_of_the_fault():
    with pytest.raises(ValidationError) as caught:
        settings(region="cn-shanghai", proxy="http://user:opensesame@proxy.example")
    assert all("opensesame" not in error["msg"] for error in caught.value.errors())


def test_durations_and_sizes_are_read_with_their_units():
    found = settings(region="cn-shanghai", read_timeout="2m", batch={"events": 1, "bytes": "64KiB", "age": "250ms"})
    assert (found.read_timeout, found.batch.bytes, found.batch.age) == (120_000, 65_536, 250)


def test_the_page_names_every_setting():
    page = (ROOT / "docs" / "reporting.md").read_text(encoding="utf-8")
    table = page.partition("\n## Settings\n")[2].partition("\n## ")[0]
    shown = set(re.findall(r"^\| `report\.([a-z_.]+)` \|", table, re.MULTILINE))
    keys = set()
    for name, field in ReportSettings.model_fields.items():
        nested = field.annotation
        is_group = nested in {BatchSettings, BackoffSettings, FlowSettings}
        keys |= {f"{name}.{inner}" for inner in nested.model_fields} if is_group else {name}
    assert shown == keys


def test_the_page_names_every_region_and_its_endpoint():
    page = (ROOT / "docs" / "reporting.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `(cn-[a-z]+)` \| `(https://[^`]+)` \|", page, re.MULTILINE)) == dict(REGIONS)
