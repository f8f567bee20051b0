"""Whatever ends a job, the answers under way are waited for and remembered: nothing is reported twice. With an API that takes seconds."""

from __future__ import annotations

import os
import signal

import pytest
from kafka import KafkaAdminClient

from tests.support.jobs import wait_for
from tests.support.run_command import commands, paid

pytestmark = pytest.mark.slow

SLOW = {"name": "slow", "do": "delay", "latency": "2s"}


@pytest.fixture
def run():
    with commands() as start:
        yield start


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_whose_supervisor_is_killed_end_and_forget_nothing(source, kafka, run, stand_in):
    stand_in.set_faults(SLOW)
    made = source(partitions=4)
    kafka.topic(name=made.dead)
    command = run(made, "--workers", "2")
    wait_for(lambda: sorted(map(len, kafka.shares(made.group).values())) == [2, 2], "a share for each")
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(2_000)])
    wait_for(lambda: stand_in.service.faults.calls >= 6, "calls under way")
    os.kill(command.process.pid, signal.SIGKILL)
    for pid in command.workers():
        wait_for(lambda: not is_running(pid), "the end of a worker", 60)  # noqa: B023
    assert "calls were not answered" not in command.text
    stand_in.set_faults()
    made.run_to_end()
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(2_000)}


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_dead_letter_topic_that_refuses_ends_a_job_that_forgets_nothing(source, kafka, run, stand_in, options):
    stand_in.set_faults(SLOW)
    made = source(partitions=2)
    kafka.topic(name=made.dead, max_message_bytes=64)
    records = [(str(number).encode(), paid(number)) for number in range(1_000)]
    kafka.write(made.topic, records)
    command = run(made, *options)
    wait_for(lambda: stand_in.service.faults.calls >= 4, "calls under way")
    kafka.write(made.topic, [(b"1", b"broken")])
    assert command.process.wait(timeout=120) == 6
    assert "refuses records" in command.text
    assert "calls were not answered" not in command.text
    stand_in.set_faults()
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as asking:
        asking.delete_topics([made.dead])
    wait_for(lambda: not exists(kafka, made.dead), "the end of the topic")
    made.run_to_end()  # which makes the topic
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(1_000)}


def exists(kafka, topic):
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as asking:
        return topic in asking.list_topics()
