"""A stand-in serves programs of this machine. A page in a browser cannot drive it, whatever name leads to loopback."""

from __future__ import annotations

import httpx
import pytest

from pipeline.emulator.quick_audience.server import StandIn
from pipeline.emulator.quick_audience.settings import StandInSettings
from pipeline.emulator.schema_registry.server import StandInRegistry


@pytest.fixture(scope="module", params=[StandIn, StandInRegistry])
def url(request):
    with request.param() as serving:
        yield serving.url


@pytest.fixture(scope="module")
def ask():
    # One client for all questions: each client loads the machine's certificates, which takes longer than any answer.
    with httpx.Client(trust_env=False) as client:

        def send(url, method="GET", path="/", **headers):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.request(method, url + path, headers=named)

        yield send


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8099", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "10.0.0.1:8099", "[::2]", "[", "169.254.169.254", "a@b", "user@127.0.0.1:x"],
)  # fmt: skip
def test_another_host_is_refused(ask, url, host):
    answer = ask(url, host=host)
    assert answer.status_code in {400, 421}
    assert "Stand-in" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8099", "localhost", "localhost:1", "[::1]:8099", "127.1.2.3"])
def test_a_loopback_host_is_served(ask, url, host):
    assert ask(url, host=host).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "http://localhost", "null", "file://", ""]
)
def test_a_page_of_another_site_is_refused(ask, url, method, origin):
    answer = ask(url, method, origin=origin)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_request_that_a_browser_marks_as_of_another_site_is_refused(ask, url, site):
    """An image or a script of another page is fetched without an `Origin`."""
    assert ask(url, sec_fetch_site=site, sec_fetch_mode="no-cors").status_code == 403
    assert ask(url, "POST", sec_fetch_site=site, sec_fetch_mode="navigate").status_code == 403


def test_a_person_may_open_the_page_and_follow_a_link_to_it(ask, url):
    host = url.removeprefix("http://")
    assert ask(url, sec_fetch_site="none", sec_fetch_mode="navigate").status_code == 200
    assert ask(url, sec_fetch_site="cross-site", sec_fetch_mode="navigate").status_code == 200
    assert ask(url, sec_fetch_site="same-origin", origin=f"http://{host}").status_code == 200


def test_another_site_changes_nothing_of_the_stand_in(ask, tmp_path):
    with StandIn(StandInSettings(ledger=tmp_path / "ledger.jsonl")) as serving:
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}):
            for method, path in (("PUT", "/_stand-in/faults"), ("POST", "/_stand-in/clock/900"), ("POST", "/_stand-in/ledger/reset")):  # fmt: skip
                assert ask(serving.url, method, path, **headers).status_code in {403, 421}
            assert ask(serving.url, path="/_stand-in/ledger/events", **headers).status_code in {403, 421}
        assert serving.service.clock_offset_s == 0
