"""The endpoint of a running job: its metrics agree with its books, and its probes follow what happens to it."""

from __future__ import annotations

import os
import re
import signal

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.jobs import command, wait_for
from tests.support.run_command import commands, paid

LISTEN = ("--listen", "127.0.0.1:0")


@pytest.fixture
def run():
    with commands() as start:
        yield start


class Probe:
    """Asks the endpoint of a command."""

    def __init__(self, running):
        wait_for(lambda: "metrics and health at" in running.text, "the endpoint")
        self.url = re.search(r"http://[^/]+", running.text)[0]

    def get(self, path):
        return httpx.get(f"{self.url}{path}", trust_env=False, timeout=30)

    def metrics(self):
        """Return the values by name, without prefix, and labels, without `source`."""
        found = {}
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for sample in family.samples:
                labels = sorted((name, value) for name, value in sample.labels.items() if name != "source")
                found[sample.name.removeprefix("log2mq_"), *labels] = sample.value
        return found

    def reasons(self):
        answer = self.get("/readyz")
        found = [each["reason"] for each in answer.json()["reasons"]]
        assert answer.status_code == (503 if found else 200)
        return found


def test_metrics_agree_with_the_books_of_the_run(source, kafka, run):
    made = source(partitions=2)
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(300)])
    kafka.write(made.topic, [paid(1), b"no JSON", b'{"type": "seen"}'])
    running = run(made, *LISTEN)
    probe = Probe(running)
    ends = kafka.ends(made.topic)
    wait_for(lambda: made.is_committed(ends), "the end")
    wait_for(lambda: probe.metrics()["records_read_total",] == 303, "the last status")
    assert probe.reasons() == []
    found = probe.metrics()
    finished = {dict(key[1:])["outcome"]: value for key, value in found.items() if key[0] == "records_finished_total"}
    assert finished == {"reported": 300, "duplicate": 1, "redelivered": 0, "filtered": 1, "dead_lettered": 1}
    messages = {key[1:]: value for key, value in found.items() if key[0] == "messages_total"}
    assert {dict(key)["outcome"]: value for key, value in messages.items()} == {"reported": 300, "duplicate": 1}
    assert {dict(key)["event_code"] for key in messages} == {"pay_order"}
    assert found["dead_letters_total", ("reason", "NOT_JSON"), ("stage", "decode")] == 1
    assert found["delivery_latency_seconds_count", ("operation", "events")] == 300
    calls = found["api_calls_total", ("class", "accepted"), ("code", ""), ("operation", "events")]
    assert calls == found["api_call_duration_seconds_count", ("operation", "events")] >= 3
    wait_for(lambda: probe.metrics()["dedup_keys",] >= 300, "the next look at the store")
    assert found["dedup_used_bytes",] < found["dedup_limit_bytes",]
    assert [found["lag_seconds", ("partition", each), ("topic", made.topic)] for each in "01"] == [0, 0]
    assert found["commits_total", ("outcome", "taken")] >= 1
    code, screen = command("top", made.path, "--at", probe.url.removeprefix("http://"))
    assert code == 0
    assert f"{made.name}: 1 of 1 workers up" in screen
    assert "slowest stage: none: every record is read" in screen
    assert made.stand_in.url not in probe.get("/metrics").text
    assert running.stop() == 0


def test_an_outage_of_the_api_is_seen_and_its_end(source, kafka, run):
    made = source(observe={"away_limit": "1s"})
    kafka.topic(name=made.dead)
    made.stand_in.set_faults({"name": "away", "do": "unavailable"})
    kafka.write(made.topic, [paid(1)])
    running = run(made, *LISTEN)
    probe = Probe(running)
    wait_for(lambda: probe.reasons() == ["destination"], "the outage")
    found = probe.metrics()
    assert found["destination_up", ("operation", "events")] == 0
    assert found["destination_away_seconds", ("operation", "events")] > 1
    assert found["lag_seconds", ("partition", "0"), ("topic", made.topic)] > 1
    assert found["ready",] == 0
    assert probe.get("/livez").status_code == 200
    made.stand_in.set_faults()
    wait_for(lambda: probe.reasons() == [], "the end of the outage")
    assert probe.metrics()["destination_up", ("operation", "events")] == 1
    assert running.stop() == 0


def test_a_worker_that_is_killed_loses_no_counter_and_one_that_stands_still_is_seen(source, kafka, run):
    made = source(partitions=2)
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(200)])
    running = run(made, "--workers", "2", *LISTEN)
    probe = Probe(running)
    ends = kafka.ends(made.topic)
    wait_for(lambda: made.is_committed(ends), "the end")
    wait_for(lambda: probe.reasons() == [], "both workers")
    reported = ("records_finished_total", ("outcome", "reported"))
    wait_for(lambda: probe.metrics()[reported] == 200, "the last status")
    os.kill(running.workers()[0], signal.SIGKILL)
    wait_for(lambda: probe.metrics()["worker_restarts_total",] == 1, "the restart")
    assert probe.metrics()[reported] >= 200
    wait_for(lambda: probe.metrics()["workers_up",] == 2, "the new worker")
    os.kill(running.workers()[1], signal.SIGSTOP)
    wait_for(lambda: probe.metrics()["worker_last_turn_seconds", ("worker", "1")] > 2, "a worker that stands still")
    assert probe.metrics()["worker_last_turn_seconds", ("worker", "0")] < 2
    os.kill(running.workers()[1], signal.SIGCONT)
    wait_for(lambda: probe.metrics()["worker_last_turn_seconds", ("worker", "1")] < 2, "the worker goes on")
    assert running.stop() == 0


def test_a_job_that_waits_for_its_brokers_is_alive_and_not_ready(source, run):
    made = source(kafka={"bootstrap_servers": "127.0.0.1:9"})
    running = run(made, *LISTEN)
    probe = Probe(running)
    assert probe.reasons() == ["starting"]
    os.kill(running.process.pid, signal.SIGUSR1)
    wait_for(lambda: f"{made.name}: 0 of 0 workers up" in running.text, "the status of a job that has not begun")
    os.kill(running.process.pid, signal.SIGHUP)
    wait_for(lambda: "the source file says the same as before" in running.text, "the answer to SIGHUP")
    assert probe.reasons() == ["starting"]
    assert probe.get("/livez").json() == {"ok": True, "reasons": []}


@pytest.mark.parametrize(
    ("options", "sections", "said"),
    [
        (["--listen", "0.0.0.0:9464"], {}, "--listen: found '0.0.0.0:9464'; expected an address and a port such as 127.0.0.1:9464: other machines"),
        (["--listen", "9464"], {}, "--listen: found '9464'; expected an address and a port such as 127.0.0.1:9464"),
        ([], {"observe": {"listen": "0.0.0.0:9464"}}, "observe.listen: found '0.0.0.0:9464'; expected an address and a port such as 127.0.0.1:9464: other machines may reach this one only with observe.expose: true"),
        ([], {"observe": {"listen": "203.0.113.9:9464", "expose": "true"}}, "observe.listen: found 203.0.113.9:9464, which cannot be listened at"),
    ],
)  # fmt: skip
def test_a_wrong_address_is_said_before_anything_connects(source, options, sections, said):
    made = source(kafka={"bootstrap_servers": "127.0.0.1:9"}, **sections)
    made.save()
    code, text = command("run", made.path, *options)
    assert code == 2
    assert said in text
