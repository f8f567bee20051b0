"""Several processes of one group: rebalances, a kill between the API's yes and the commit, halting as one. Through the command itself."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from kafka import KafkaAdminClient

from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from tests.support.jobs import RULES, Source, wait_for
from tests.support.kafka import TestKafka
from tests.support.run_command import commands, paid

SESSION_S = 30
"""The session of workers that are killed: whoever waits for a dead one waits longer than any machine needs for the rest."""


@pytest.fixture
def run():
    with commands() as start:
        yield start


def test_members_that_come_and_go_lose_nothing_and_report_nothing_twice(source, kafka, run):
    made = source(partitions=6, dedup={"lease": "15s"})
    kafka.topic(name=made.dead)
    expected = 0

    def write(count):
        nonlocal expected
        kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(expected, expected + count)])
        expected += count

    write(1500)
    first = run(made)
    wait_for(lambda: len(made.events()) > 100, "the first events")
    others = run(made, "--workers", "2")  # three members in all
    write(1500)
    wait_for(lambda: len(others.workers()) == 2, "two workers")
    time.sleep(3)
    write(1500)
    assert first.stop() == 0
    write(500)
    ends = kafka.ends(made.topic)
    wait_for(lambda: made.is_committed(ends), "the end")
    assert others.stop() == 0
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(expected)}


def test_a_worker_killed_between_the_apis_yes_and_the_commit_costs_nothing(source, kafka, run):
    made = source(partitions=2, commit={"every": "30s"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(1000)])
    command = run(made, "--workers", "2")
    wait_for(lambda: len(made.events()) == 1000, "all events")
    time.sleep(0.5)
    victim = command.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(command.workers()) == 3, "the restart")
    assert "worker 0 was killed by SIGKILL; starting it again in 1 s" in command.text
    assert command.stop() == 0
    made.run_to_end()  # whatever the successor had not read again by then is read here
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(1000)}


def test_a_worker_killed_stops_no_other(source, kafka, run):
    """Before the mend its successor was a new member, for which the others waited until the session of the dead one had ended."""
    made = source(partitions=6, kafka={"session_timeout": f"{SESSION_S}s"})
    kafka.topic(name=made.dead)
    written = 0

    def write_to_each_partition():
        nonlocal written
        for partition in range(6):
            kafka.write(made.topic, [paid(written)], partition=partition)
            written += 1

    write_to_each_partition()
    command = run(made, "--workers", "2")
    wait_for(lambda: [*map(len, kafka.shares(made.group).values())] == [3, 3], "a share for each")
    wait_for(lambda: len(made.events()) == written, "the first events")
    os.kill(command.workers()[0], signal.SIGKILL)
    least = written
    while len(command.workers()) < 3 or written - len(made.events()) > 6:  # till the successor has caught up
        write_to_each_partition()
        least += 3
        wait_for(lambda: len(made.events()) >= least, "the records of the other worker", SESSION_S / 3)  # noqa: B023
    wait_for(lambda: len(made.events()) == written, "the rest", SESSION_S / 3)
    assert command.stop() == 0
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(written)}


def books_of(command):
    """The figures of the closing summary, of all partitions together: read, reported, duplicate, filtered, dead-lettered, in flight, returned."""
    (row,) = [line.split() for line in command.text.splitlines() if line.split()[:1] == ["all"]]
    return [int(figure.replace(",", "")) for figure in row[1:]]


def test_a_rolling_restart_reads_nothing_twice(source, kafka, run, stand_in):
    """Whoever leaves has finished what it read, and so has whoever hands a partition over, before its next owner begins."""
    stand_in.set_faults({"name": "slow", "do": "delay", "latency": "300ms"})
    made = source(partitions=6, kafka={"session_timeout": f"{SESSION_S}s"})
    kafka.topic(name=made.dead)
    written, is_enough = 0, threading.Event()

    def feed():
        nonlocal written
        while not is_enough.wait(0.05):
            more = range(written, written + 300)
            kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in more])
            written += 300

    def wait_for_shares():
        wait_for(lambda: [*map(len, kafka.shares(made.group).values())] == [3, 3], "a share for each")

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        commands = [run(made), run(made)]
        wait_for_shares()
        for number in range(2):
            assert commands[number].stop() == 0
            commands.append(run(made))
            wait_for_shares()
    finally:
        is_enough.set()
        feeding.join()
    ends = kafka.ends(made.topic)
    wait_for(lambda: made.is_committed(ends), "the end")
    assert [each.stop() for each in commands[2:]] == [0, 0]
    books = [books_of(each) for each in commands]
    read, reported, duplicate = (sum(each[column] for each in books) for column in range(3))
    assert reported == written
    assert duplicate == read - written - sum(each[-1] for each in books)
    assert read <= 1.05 * written
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(written)}


def test_the_books_count_what_a_worker_had_committed_when_it_was_killed(source, kafka, run):
    made = source(partitions=2, report={"batch": "{events: 5, age: 10ms}"})
    kafka.topic(name=made.dead)
    command = run(made, "--workers", "2")
    wait_for(lambda: [*map(len, kafka.shares(made.group).values())] == [1, 1], "a share for each")
    written = 0

    def write(count):
        nonlocal written
        kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(written, written + count)])
        written += count

    for _ in range(3):  # each time the last status of the killed one is some moments old
        for _ in range(20):
            write(20)
        os.kill(command.workers()[-2], signal.SIGKILL)
        before = len(command.workers())
        wait_for(lambda: len(command.workers()) > before, "its successor")  # noqa: B023
    ends = kafka.ends(made.topic)
    wait_for(lambda: made.is_committed(ends), "the end")
    assert command.stop() == 0
    read, reported, duplicate, *others, returned = books_of(command)
    assert others == [0, 0, 0]
    assert read == reported + duplicate + returned
    assert reported + duplicate >= written
    assert {number for _, number in made.events()} == {f"n{number}" for number in range(written)}


def test_of_two_jobs_with_one_instance_id_the_earlier_ends_with_a_sentence(source, kafka, run):
    made = source(partitions=2, kafka={"instance_id": "the-host"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(1)])
    earlier = run(made)
    wait_for(lambda: len(made.events()) == 1, "the first event")
    later = run(made)
    assert earlier.process.wait(timeout=120) == 3
    assert "with the same kafka.instance_id" in earlier.text
    kafka.write(made.topic, [paid(2)])
    wait_for(lambda: len(made.events()) == 2, "the second event")
    assert later.stop() == 0
    assert made.events() == {("pay_order", "n1"): 1, ("pay_order", "n2"): 1}


def test_workers_halt_as_one_with_the_exit_code_of_the_reason(source, kafka, run):
    made = source(partitions=2, report={"access_id": "somebody-elses"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(1)])
    command = run(made, "--workers", "2")
    assert command.process.wait(timeout=120) == 4
    assert "ES0110000002" in command.text
    assert "Traceback" not in command.text


def test_the_end_of_one_worker_is_not_everyones(source, kafka, run):
    """Its dead-letter topic was away. Before the mend all workers ended with exit code 6."""
    made = source(partitions=2, kafka={"give_up_after": "8s"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [b"broken"], partition=0)
    command = run(made, "--workers", "2")
    wait_for(lambda: made.committed() == 1, "the first dead letter")
    wait_for(lambda: [*map(len, kafka.shares(made.group).values())] == [1, 1], "a share for each")
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as asking:
        asking.delete_topics([made.dead])
    written = 0
    while "starting it again" not in command.text:
        kafka.write(made.topic, [b"broken as well"], partition=0)
        kafka.write(made.topic, [paid(written)], partition=1)
        written += 1
        wait_for(lambda: len(made.events()) == written, "the events of the other worker")  # noqa: B023
    assert f"ended: the dead-letter topic {made.dead} has taken no record for 8 s" in command.text
    kafka.topic(name=made.dead)
    wait_for(lambda: len(command.workers()) == 3, "its successor")
    ends = kafka.ends(made.topic)
    wait_for(lambda: made.is_committed(ends), "the end")
    assert command.stop() == 0
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(written)}


def test_a_worker_that_paused_past_its_lease_asks_again_before_it_sends(source, kafka, run, stand_in):
    stand_in.set_faults({"name": "away", "do": "unavailable"})
    made = source(report={"backoff": "{first: 4s, most: 4s}"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(number) for number in range(200)])
    command = run(made)
    wait_for(lambda: stand_in.service.faults.calls > 1, "the first calls")
    time.sleep(1)  # they have failed, and the next is not due: nothing is on its way, which no claim could call back
    command.process.send_signal(signal.SIGSTOP)
    stand_in.set_faults()
    other = run(made)  # takes the partition over when the session has ended, and the claims when the lease has
    wait_for(lambda: len(made.events()) == 200, "all events from the other")
    command.process.send_signal(signal.SIGCONT)
    ends = kafka.ends(made.topic)
    wait_for(lambda: made.is_committed(ends), "the end")
    time.sleep(2)
    assert command.stop() == 0
    assert other.stop() == 0
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(200)}


def test_a_second_signal_leaves_at_once(source, kafka, run, stand_in):
    stand_in.set_faults({"name": "away", "do": "unavailable"})
    made = source()
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(1)])
    command = run(made)
    wait_for(lambda: stand_in.service.faults.calls > 0, "a first call")
    command.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert command.process.poll() is None  # it waits for what is in flight
    command.process.send_signal(signal.SIGINT)
    assert command.process.wait(timeout=120) == 130
    assert "ended at once" in command.text


def test_a_worker_that_starts_while_brokers_are_away_waits_for_them(source, kafka, run, stand_in, tmp_path):
    """`kafka` only says whether there is one to be had."""
    with EmbeddedBroker() as broker:
        own = TestKafka(broker.bootstrap_servers)
        made = Source(
            own, stand_in, tmp_path, own.topic(2), RULES, kafka={"connect_timeout": "1s", "give_up_after": "5m"}
        )
        own.topic(name=made.dead)
        own.write(made.topic, [(str(number).encode(), paid(number)) for number in range(500)])
        command = run(made, "--workers", "2")
        wait_for(lambda: len(made.events()) == 500, "the first events")
        ends = own.ends(made.topic)
        wait_for(lambda: made.is_committed(ends), "their commit")
        broker.stop_process()
        os.kill(command.workers()[0], signal.SIGKILL)
        # A first attempt has failed: the brokers have been away for longer than `connect_timeout`.
        wait_for(lambda: "connecting: no broker answers; see" in command.text, "the successor's attempt")
        assert "trying for 300 s" in command.text
        broker.start()
        own.write(made.topic, [(str(number).encode(), paid(number)) for number in range(500, 1000)])
        wait_for(lambda: len(made.events()) == 1000, "the rest", limit_s=120)
        ends = own.ends(made.topic)
        wait_for(lambda: made.is_committed(ends), "its commit")
        assert "the brokers answer" in command.text
        assert len(command.workers()) == 3
        assert command.stop() == 0
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(1000)}


def test_a_replay_that_starts_while_brokers_are_away_waits_for_them(kafka, stand_in, tmp_path, run):
    """`kafka` only says whether there is one to be had."""
    with EmbeddedBroker() as broker:
        own = TestKafka(broker.bootstrap_servers)
        made = Source(
            own, stand_in, tmp_path, own.topic(), RULES, kafka={"connect_timeout": "1s", "give_up_after": "5m"}
        )
        own.topic(name=made.dead)
        own.write(made.topic, [paid(number) for number in range(100)])
        broker.stop_process()
        command = run(made, "--from", "earliest", "--to", "now", verb="replay")
        wait_for(lambda: "connecting: no broker answers; see" in command.text, "the first attempt")
        assert "trying for 300 s" in command.text
        broker.start()
        assert command.process.wait(timeout=120) == 0
    assert len(made.events()) == 100


def test_brokers_that_stay_away_from_a_worker_that_starts_end_the_job(source, run):
    made = source(kafka={"bootstrap_servers": "127.0.0.1:1", "connect_timeout": "1s", "give_up_after": "3s"})
    command = run(made, "--workers", "2")
    assert command.process.wait(timeout=60) == 3
    assert "connecting: no broker answers" in command.text
    assert "trying for 3 s" in command.text


@pytest.mark.parametrize(("options", "code"), [((), 130), (("--workers", "2"), 0)], ids=["alone", "workers"])
def test_a_signal_ends_a_job_that_waits_for_brokers(source, run, options, code):
    made = source(kafka={"bootstrap_servers": "127.0.0.1:1", "connect_timeout": "1s"})
    command = run(made, *options)
    wait_for(lambda: "no broker answers" in command.text, "the first attempt")
    command.process.terminate()
    assert command.process.wait(timeout=15) == code
    assert "Traceback" not in command.text
