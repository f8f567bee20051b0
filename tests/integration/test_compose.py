"""What docker-compose.yml starts, started here without Docker: the same commands, variables and health check, in the same order."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from ruamel.yaml import YAML

from pipeline.emulator.quick_audience.ledger import Ledger
from tests.support.jobs import wait_for
from tests.support.paths import ROOT

SERVICES = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
IMAGE = dict(re.findall(r"(\w+)=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8").partition("\nENV ")[2]))
COUNT = 2_000


def test_every_setting_of_the_broker_is_one_that_kafka_knows(kafka):
    asking = KafkaAdminClient(bootstrap_servers=kafka.servers)
    number = str(asking.describe_cluster()["brokers"][0]["broker_id"])
    broker = ConfigResource(ConfigResourceType.BROKER, number)
    known = asking.describe_configs([broker], config_filter="all")["broker"][number]
    asking.close()
    for name in SERVICES["kafka"]["environment"]:
        assert name.removeprefix("KAFKA_").lower().replace("_", ".") in known, name


class Compose:
    """The services as processes of this machine."""

    def __init__(self, kafka, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder = folder
        self.begun = []
        self._here = {
            "kafka:9092": kafka.servers,
            "8099": str(port),
            "/etc/log2mq/examples": str(ROOT / "examples"),
            "/var/lib/log2mq": str(folder),
            "50000": str(COUNT),
        }

    def here(self, text):
        for there, here in self._here.items():
            text = text.replace(there, here)
        return text

    def start(self, name):
        service = SERVICES[name]
        environment = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": self.here(IMAGE["XDG_STATE_HOME"])}
        environment |= {key: self.here(value) for key, value in service.get("environment", {}).items()}
        (self.folder / name).mkdir()
        log = (self.folder / f"{name}.log").open("wb")
        self.begun.append(
            subprocess.Popen(
                [sys.executable, "-m", "pipeline", *map(self.here, service["command"])],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.folder / name,
            )
        )
        log.close()
        return self.begun[-1]

    def is_healthy(self, name):
        kind, program, *rest = SERVICES[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        return subprocess.run([sys.executable, *map(self.here, rest)], capture_output=True, check=False).returncode == 0

    def text(self, name):
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
def compose(kafka, tmp_path):
    started = Compose(kafka, tmp_path)
    yield started
    for each in started.begun:
        if each.poll() is None:
            each.kill()
        each.wait()


def test_the_job_reports_what_the_sample_wrote_to_the_stand_in(compose, kafka):
    assert not compose.is_healthy("stand-in")
    stand_in = compose.start("stand-in")
    wait_for(lambda: compose.is_healthy("stand-in"), "the stand-in's health")
    assert compose.start("sample").wait(60) == 0, compose.text("sample")
    expected = int(re.search(r"of which reported ([\d,]+)", compose.text("sample"))[1].replace(",", ""))
    job = compose.start("job")
    ends = {each: end for each, end in kafka.ends("shop-app-log").items() if end}
    assert sum(ends.values()) == COUNT

    def is_done():
        assert job.poll() is None, compose.text("job")
        committed = kafka.committed("log2mq-shop-app")
        return all(each in committed and committed[each].offset == end for each, end in ends.items())

    wait_for(is_done, "the job")
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 0, compose.text("job")
    (total,) = [line.split()[1:] for line in compose.text("job").splitlines() if line.startswith("all ")]
    assert [int(each.replace(",", "")) for each in total[:2]] == [COUNT, expected]
    assert (compose.folder / "state" / "log2mq" / "shop-app").is_dir()
    stand_in.send_signal(signal.SIGTERM)
    assert stand_in.wait(60) == 0
    assert set(Ledger(compose.folder / "ledger.jsonl").events.values()) == {1}
