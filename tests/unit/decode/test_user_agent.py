from __future__ import annotations

import pytest

from pipeline.decode import DecodeLimits, build_decoder

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/zh_CN"
)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"
)


@pytest.fixture(scope="module", params=["nginx", "apache"])
def decode(request):
    return build_decoder(request.param, {"user_agent": True}, DecodeLimits())


def line(agent):
    return f'1.2.3.4 - - [01/May/2024:10:00:00 +0800] "GET /a HTTP/1.1" 200 5 "-" "{agent}"'.encode()


def test_a_browser_is_taken_apart(decode):
    assert decode(line(CHROME))["user_agent"] == {
        "browser": "Chrome",
        "browser_version": "124.0.0",
        "os": "Windows",
        "os_version": "10",
    }
    found = decode(line(IPHONE))["user_agent"]
    assert (found["os"], found["os_version"], found["device"], found["brand"]) == ("iOS", "17.4", "iPhone", "Apple")


def test_what_is_not_known_is_absent_and_what_is_not_there_gives_no_field(decode):
    assert decode(line("nobody knows this"))["user_agent"] == {}
    assert "user_agent" not in decode(line("-"))


def test_what_one_reader_found_is_not_shared_with_the_next_entry(decode):
    decode(line(CHROME))["user_agent"]["browser"] = "changed"
    assert decode(line(CHROME))["user_agent"]["browser"] == "Chrome"


def test_only_on_request():
    assert "user_agent" not in build_decoder("nginx", {}, DecodeLimits())(line(CHROME))


def test_long_ones_are_answered(decode):
    for agent in ("x" * 100_000, "Mozilla/5.0 " + "(a;" * 30_000, "Chrome/" + "1" * 100_000, " " * 100_000 + "x"):
        assert isinstance(decode(line(agent))["user_agent"], dict)
