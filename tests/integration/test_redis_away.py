"""Two hosts that share a Redis server, which goes away, comes back, or loses its entries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest
import redis

from pipeline.errors import StoreUnavailable
from tests.support.dedup_stores import RedisServer
from tests.support.jobs import command, wait_for

ENVIRONMENT = {**os.environ, "SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def paid(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


@pytest.fixture
def server():
    started = RedisServer("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    yield started
    started.remove()


@pytest.fixture
def shared(source, server):
    """A source of two partitions whose jobs share the server."""
    made = source(partitions=2)
    made.sections["dedup"] = {"store": "redis", "url": server.url, "lease": "2s"}
    made.save()
    return made


class Host:
    """A job in a thread, its statuses, and the error that ended it."""

    def __init__(self, job, statuses):
        self._job = job
        self.statuses = statuses
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            self._job.runner.run()
        except StoreUnavailable as error:
            self.error = error

    def end(self):
        self._job.runner.stop()
        self.thread.join(120)
        assert not self.thread.is_alive()


@pytest.fixture
def hosts(shared):
    """Both hosts, which have a partition each and have reported a record of it."""
    with ExitStack() as stack:
        running = []
        for _ in range(2):
            statuses = []
            running.append(Host(stack.enter_context(shared.job(on_status=statuses.append)), statuses))
            running[-1].thread.start()
        wait_for(
            lambda: all(host.statuses and len(host.statuses[-1].lag) == 1 for host in running),
            "a partition for each host",
        )
        for partition in range(2):
            shared.kafka.write(shared.topic, [paid(partition)], partition=partition)
        wait_for(lambda: len(shared.events()) == 2, "the first records")
        yield running
        for host in running:
            host.end()


def test_both_hosts_wait_for_a_server_that_is_away_and_go_on(shared, hosts, server, kafka, caplog):
    server.stop()
    for partition in range(2):
        kafka.write(shared.topic, [paid(10 * partition + number) for number in range(2, 10)], partition=partition)
    wait_for(lambda: all("does not answer" in host.statuses[-1].held for host in hosts), "both hosts to say so")
    wait_for(lambda: caplog.text.count("does not answer") >= 2, "the log of both hosts")
    assert all(host.thread.is_alive() for host in hosts)
    server.start()
    wait_for(lambda: len(shared.events()) == 18, "the records")
    wait_for(lambda: not any(host.statuses[-1].held for host in hosts), "both hosts to go on")
    for host in hosts:
        host.end()
    assert [host.error for host in hosts] == [None, None]
    assert set(shared.events().values()) == {1}


def test_a_flush_stops_both_hosts_and_a_person_begins_the_new_store(shared, hosts, server, kafka):
    wait_for(lambda: shared.committed() == 2, "the commits")
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    wait_for(lambda: not any(host.thread.is_alive() for host in hosts), "the end of both")
    assert all("has lost its entries" in str(host.error) for host in hosts)
    for _ in range(2):  # also after the first start has made a new store
        code, said = command("run", shared.path)
        assert code == 5
        assert "--new-store" in said
    kafka.write(shared.topic, [paid(7)])
    assert shared.run_to_end(new_store=True).total.reported == 1
    assert set(shared.events().values()) == {1}


def test_a_job_that_waits_for_the_server_at_its_start_and_later_goes_on_or_ends_at_a_signal(shared, server, kafka):
    kafka.topic(name=shared.dead)
    kafka.write(shared.topic, [paid(0)])
    server.stop()
    log = shared.folder / "run.log"
    for is_stopped in (True, False):
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "run", str(shared.path), "--no-progress"],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
            )
        wait_for(lambda: "does not answer" in log.read_text(), "the sentence")
        if not is_stopped:
            server.start()
            wait_for(lambda: shared.committed() == 1, "the record")
            server.stop()
            wait_for(lambda: log.read_text().count("does not answer") == 2, "the sentence of the job that ran")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == (130 if is_stopped else 0), log.read_text()
    assert set(shared.events().values()) == {1}
