"""The endpoint of a job over real HTTP: its four paths, and clients that misbehave."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack

import httpx
import pytest

from pipeline.errors import UsageError
from pipeline.observe.endpoint import MOST_CONNECTIONS, Endpoint
from pipeline.observe.job_view import ObservedJob, WorkerView
from pipeline.setting_types.listen import ListenAddress, listen_address
from tests.support.jobs import wait_for
from tests.unit.observe.test_metrics import NOW_MS, UNIX_MS, busy, view, working

ANY_PORT = ListenAddress("127.0.0.1", 0)


@pytest.fixture
def observed():
    return ObservedJob(view())


@pytest.fixture
def address(observed):
    with Endpoint(ANY_PORT, lambda: [observed.at(NOW_MS, UNIX_MS)]) as endpoint:
        yield endpoint.address


@pytest.fixture
def client(address):
    with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
        yield client


def note(observed, status):
    observed.note([WorkerView(0, 100, status)], status)


def test_the_paths_follow_the_job(observed, client):
    assert client.get("/livez").status_code == 200
    starting = client.get("/readyz")
    assert (starting.status_code, starting.json()["reasons"][0]["reason"]) == (503, "starting")
    note(observed, busy())
    assert client.get("/readyz").json() == {"ok": True, "reasons": []}
    metrics = client.get("/metrics?name[]=x")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert 'log2mq_records_read_total{source="shop"} 13.0' in metrics.text
    note(observed, working(at_ms=NOW_MS - 61_000))
    hung = client.get("/livez")
    assert (hung.status_code, hung.json()["reasons"][0]["reason"]) == (503, "hung")


def test_openmetrics_is_answered_to_those_who_ask_for_it(observed, client):
    note(observed, busy())
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


def test_the_status_is_json_with_units_in_its_names(observed, client):
    note(observed, busy())
    (job,) = client.get("/status").json()["jobs"]
    assert (job["source"], job["books"]["read"], job["running_ms"]) == ("shop", 13, 60_000)
    first, second = job["partitions"]
    assert (first["lag"], first["lag_ms"], second["lag_ms"]) == (5, 90_000, 0)
    events, users = job["operations"]
    assert (events["operation"], events["away_ms"], users["away_ms"]) == ("events", 7_000, None)
    assert {"class": "throttled", "code": "Throttling.User", "calls": 1} in events["answers"]
    assert job["waits"][0].startswith("events: Quick Audience is away (ServiceUnavailable)")
    assert job["dead_letters"] == [{"stage": "decode", "reason": "NOT_JSON", "records": 1}]
    json.dumps(job)


def test_another_path_is_told_the_paths(client):
    answer = client.get("/")
    assert (answer.status_code, answer.json()["paths"]) == (404, ["/metrics", "/livez", "/readyz", "/status"])
    assert client.post("/metrics").status_code == 501
    head = client.head("/livez")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.slow
def test_connections_are_bounded_and_come_free_again(address, client):
    with ExitStack() as idle:
        for _ in range(MOST_CONNECTIONS):
            idle.enter_context(socket.create_connection((address.host, address.port)))
        time.sleep(0.2)
        with pytest.raises(httpx.TransportError):
            client.get("/livez")

    def is_free():
        try:
            return client.get("/livez").status_code == 200
        except httpx.TransportError:
            return False

    wait_for(is_free, "a free connection")


def test_an_address_that_is_taken_is_said(address):
    with pytest.raises(UsageError, match=rf"observe.listen: found {address}, which cannot be listened at"):
        Endpoint(address, list)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:", ":9464", "127.0.0.1:99999", "http://x:1", "::1:9464", "a b:1"])  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="expected an address and a port such as"):
        listen_address(text, expose=True)


@pytest.mark.parametrize("text", ["0.0.0.0:9464", "[::]:9464", "10.0.0.7:9464", "shop.example.com:80"])
def test_other_machines_reach_it_only_by_a_setting(text):
    with pytest.raises(ValueError, match=r"observe\.expose"):
        listen_address(text, expose=False)
    assert str(listen_address(text, expose=True)) == text


@pytest.mark.parametrize("text", ["127.0.0.1:9464", "localhost:0", "[::1]:65535"])
def test_loopback_needs_no_setting(text):
    assert str(listen_address(text, expose=False)) == text
