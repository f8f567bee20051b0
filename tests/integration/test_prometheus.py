"""A real Prometheus scrapes the endpoint of a job, and each alert fires on its fault and is over with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from ruamel.yaml import YAML

from pipeline.contracts.values import Partition, SourceState, StoreUsage
from pipeline.job.books import Books
from pipeline.job.flow.state import FlowState
from pipeline.job.status import Status
from pipeline.observe.endpoint import Endpoint
from pipeline.observe.job_view import JobView, ObservedJob, WorkerView
from pipeline.observe.summary import merge
from pipeline.setting_types.listen import ListenAddress
from tests.support.jobs import wait_for
from tests.support.paths import ROOT
from transforms.base import Kind

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
NOW_MS, UNIX_MS = 10_000_000, 1_800_000_000_000
HERE = Partition("log", 0)
FINISHED = Books(read=100, reported=100)
WELL = Status(
    NOW_MS,
    {HERE: FINISHED},
    lag={HERE: 0},
    source=SourceState(is_member=True, is_away=False),
    flows=(FlowState(Kind.EVENT),),
)
ILL = Status(
    NOW_MS - 61_000,
    {HERE: replace(FINISHED, read=110, in_flight=10, lost_to_retention=50)},
    lag={HERE: 500},
    oldest_ms={HERE: UNIX_MS - 1_000_000},
    source=SourceState(is_member=True, is_away=True),
    flows=(FlowState(Kind.EVENT, code="HTTP503", rate=2.5, away_since_ms=NOW_MS - 400_000),),
    dead_share=0.2,
    head_age_ms=700_000,
    usage=StoreUsage(900, 90, 100),
    store_away=True,
    dead_letters_away=True,
)
STAYS = {"Log2mqWorkerRestarts", "Log2mqRecordsLost"}
"""Alerts about what happened in the last minutes: they go on for a while after the fault."""


@pytest.fixture
def prometheus():
    """The program, from Debian's package `prometheus`."""
    if (found := shutil.which("prometheus")) is None:
        if os.environ.get("CI"):
            pytest.fail("Prometheus is required here: apt-get install prometheus")
        pytest.skip("no Prometheus: apt-get install prometheus")
    return found


@contextmanager
def scraping(program, target, folder):
    """Run Prometheus; yield a function that returns what an address of its API answers. An alert fires at once here, not after some minutes."""
    yaml = YAML(typ="safe")
    groups = yaml.load(RULES.read_text(encoding="utf-8"))
    for rule in groups["groups"][0]["rules"]:
        rule.pop("for", None)
    with (folder / "alerts.yml").open("w") as file:
        yaml.dump(groups, file)
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "alerts.yml")],
        "scrape_configs": [{"job_name": "log2mq", "static_configs": [{"targets": [target]}]}],
    }
    with (folder / "prometheus.yml").open("w") as file:
        yaml.dump(config, file)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([program, *options, "--log.level=warn"], stdout=log, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False, timeout=10) as client:

            def ask(path, **query):
                try:
                    answer = client.get(path, params=query)
                except httpx.TransportError:
                    return {}
                return answer.json().get("data") or {} if answer.status_code == 200 else {}

            yield ask
    finally:
        running.terminate()
        running.wait(30)


def test_each_alert_fires_on_its_fault_and_is_over_with_it(prometheus, tmp_path):
    observed = ObservedJob(JobView("shop", "0123456789ab", merge([]), away_limit_ms=300_000))
    every = {rule["alert"] for rule in YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]}

    def tell(status, restarts):
        observed.note([WorkerView(0, 100, status, restarts)], status)

    tell(WELL, 0)
    with (
        Endpoint(ListenAddress("127.0.0.1", 0), lambda: [observed.at(NOW_MS, UNIX_MS)]) as endpoint,
        scraping(prometheus, str(endpoint.address), tmp_path) as ask,
    ):

        def firing():
            return {
                alert["labels"]["alertname"] for alert in ask("/alerts").get("alerts", []) if alert["state"] == "firing"
            }

        def scrapes():
            found = ask("/query", query="count_over_time(log2mq_ready[1h])").get("result", [])
            return int(found[0]["value"][1]) if found else 0

        wait_for(lambda: scrapes() >= 3, "three scrapes")
        assert firing() == set()
        tell(ILL, 10)
        observed.note_reload(False)
        wait_for(lambda: firing() == every, "every alert", 60)
        for alert in ask("/alerts")["alerts"]:
            assert alert["annotations"]["summary"].startswith("shop: ")
            assert "<no value>" not in alert["annotations"]["summary"]
        done = {HERE: replace(FINISHED, read=400, reported=400, lost_to_retention=50)}
        tell(replace(WELL, books=done), 10)
        observed.note_reload(True)
        wait_for(lambda: firing() <= STAYS, "the end of the faults", 60)
