"""Whatever stands still, a job ends in time, and a second signal ends it at once. On a broker of its own where that is what stands still."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient

from pipeline.contracts.deadline import MARGIN_MS
from pipeline.dedup.clocks import machine_clocks
from pipeline.dedup.lmdb_store.store import LmdbStore
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from tests.support.jobs import PATIENCE_S, RULES, Source, wait_for
from tests.support.kafka import TestKafka
from tests.support.run_command import commands, paid

pytestmark = pytest.mark.slow

GRACE_S = 6
SPARE_S = 5
"""What a busy machine may need beside the grace and its margin. Each wait that was without an end took far longer."""

HOLD_S = 15
"""How long a process keeps the store locked: five times the lease of a test's source file."""

IN_TIME_S = GRACE_S + MARGIN_MS / 1000 + SPARE_S


def ends(command, *signals):
    """Send signals, half a second apart, and return the exit code. It must come in time, counted from the first one."""
    began_s = time.monotonic()
    for place, number in enumerate(signals):
        if place:
            time.sleep(0.5)
            assert command.process.poll() is None
        command.process.send_signal(number)
    code = command.process.wait(timeout=max(1.0, IN_TIME_S - (time.monotonic() - began_s)))
    assert "Traceback" not in command.text
    return code


@pytest.fixture
def run():
    with commands() as start:
        yield start


@pytest.fixture(scope="module")
def broker(kafka):
    """A broker that creates no topics by itself. `kafka` only says whether there is one to be had."""
    with EmbeddedBroker(settings={"auto.create.topics.enable": "false"}) as own:
        yield own


@pytest.fixture
def paused(broker):
    """The function that lets the broker stand still. It goes on after the test."""

    def pause():
        os.kill(broker.pid, signal.SIGSTOP)

    yield pause
    os.kill(broker.pid, signal.SIGCONT)


@pytest.fixture
def own(broker, stand_in, tmp_path):
    def make(**sections):
        servers = TestKafka(broker.bootstrap_servers)
        sections.setdefault("stop", {"grace": f"{GRACE_S}s"})
        made = Source(servers, stand_in, tmp_path, servers.topic(2), RULES, **sections)
        servers.topic(name=made.dead)
        return made

    return make


WORKERS = pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])


@WORKERS
def test_a_broker_that_stands_still_does_not_hold_a_stop(own, paused, run, options):
    made = own()
    made.kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(200)])
    command = run(made, *options)
    wait_for(lambda: len(made.events()) == 200, "the events")
    paused()
    wait_for(lambda: "reading fails" in command.text, "the outage")
    assert ends(command, signal.SIGTERM) == 0


@WORKERS
def test_a_second_signal_ends_a_job_at_once_while_its_broker_stands_still(own, paused, run, options):
    made = own(stop={"grace": "10m"}, report={"read_timeout": "5m"})
    made.kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(200)])
    command = run(made, *options)
    wait_for(lambda: len(made.events()) == 200, "the events")
    made.stand_in.set_faults({"name": "hung", "do": "hang_before"})
    made.kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(200, 400)])
    wait_for(lambda: made.stand_in.service.faults.calls > 0, "a call that hangs")
    paused()
    wait_for(lambda: "reading fails" in command.text, "the outage")
    assert ends(command, signal.SIGTERM, signal.SIGTERM) == 130
    for pid in command.workers():
        wait_for(lambda: not is_running(pid), "the end of a worker", SPARE_S)  # noqa: B023


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_broker_that_stands_still_at_the_start_does_not_hold_a_signal(own, paused, run):
    made = own()
    made.save()
    paused()
    command = run(made)
    wait_for(lambda: "no broker answers" in command.text, "the first attempt")
    assert ends(command, signal.SIGTERM) == 130


@pytest.mark.parametrize("verb", ["replay", "tap"])
def test_a_broker_that_stands_still_ends_a_command_that_asks(own, paused, run, verb):
    """A replay is a job, and waits for `give_up_after`; `tap` waits for one attempt."""
    made = own(kafka={"connect_timeout": "1s", "give_up_after": "3s" if verb == "replay" else "5m"})
    made.save()
    paused()
    command = run(made, "--from", "earliest", *(["--to", "now"] if verb == "replay" else []), verb=verb)
    assert command.process.wait(timeout=IN_TIME_S) == 3


def delete_topic(servers, topic):
    with KafkaAdminClient(bootstrap_servers=servers) as asking:
        asking.delete_topics([topic])


def test_a_dead_letter_topic_that_is_gone_for_good_ends_the_job(own, run):
    made = own(kafka={"give_up_after": "8s"})
    made.kafka.write(made.topic, [b"broken"], partition=0)
    command = run(made)
    wait_for(lambda: made.committed() == 1, "the first dead letter")
    delete_topic(made.kafka.servers, made.dead)
    made.kafka.write(made.topic, [b"broken as well %d" % number for number in range(500)])
    assert command.process.wait(timeout=8 + IN_TIME_S) == 6
    assert made.committed() == 1


@WORKERS
def test_a_dead_letter_topic_that_is_gone_for_good_does_not_hold_a_stop(own, run, options):
    made = own()
    made.kafka.write(made.topic, [b"broken"], partition=0)
    command = run(made, *options)
    wait_for(lambda: made.committed() == 1, "the first dead letter")
    delete_topic(made.kafka.servers, made.dead)
    made.kafka.write(made.topic, [b"broken as well %d" % number for number in range(500)])
    wait_for(lambda: "the dead-letter topic takes no records" in command.text, "the warning")
    assert ends(command, signal.SIGTERM) == 11
    assert "dead letters were not written; their records are redelivered" in command.text


@WORKERS
def test_calls_that_hang_do_not_hold_a_stop(source, kafka, run, stand_in, options):
    stand_in.set_faults({"name": "hung", "do": "hang_before"})
    made = source(partitions=2, stop={"grace": f"{GRACE_S}s"}, report={"read_timeout": "5m"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(400)])
    command = run(made, *options)
    wait_for(lambda: stand_in.service.faults.calls > 0, "a first call")
    assert ends(command, signal.SIGTERM) == 11
    assert "calls were not answered within stop.grace" in command.text


def write_for_a_while(folder, seconds):
    """Stand still within a transaction of a store, as a process that is stopped there."""
    store = LmdbStore(folder, "stopped", keep_ms=10**9, lease_ms=3_000, max_bytes=16 << 30, clocks=machine_clocks())
    with store._recent.writing():
        time.sleep(seconds)
    store.close()


@contextmanager
def opened(folder):
    """Open a job's dedup store, as another process of the host does."""
    store = LmdbStore(folder, "watcher", keep_ms=10**9, lease_ms=60_000, max_bytes=16 << 30, clocks=machine_clocks())
    try:
        yield store
    finally:
        store.close()


def others_that_hold_claims(store):
    """Return the owners whose lease has not ended, but this one."""
    with store._recent.reading() as reading:
        return store._tables.living(reading, store._clock.now_ms()) - {store._owner}


def test_a_job_keeps_its_claims_while_its_broker_stands_still(own, paused, run):
    """A commit waits up to 5 s for the broker. Before the mend the lease ended meanwhile: another process sent what was under way here."""
    made = own(dedup={"lease": "2s"}, report={"senders": 1})
    made.stand_in.set_faults({"name": "slow", "do": "delay", "latency": "500ms"})
    made.kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(3_000)])
    command = run(made)
    wait_for(lambda: len(made.events()) >= 300, "the first events")
    with opened(made.folder / "dedup") as store:
        (job,) = others_that_hold_claims(store)
        paused()
        until_s = time.monotonic() + 8
        while time.monotonic() < until_s:
            assert others_that_hold_claims(store) == {job}
            time.sleep(0.05)
    assert len(made.events()) < 3_000, "nothing was under way any more"
    assert ends(command, signal.SIGTERM) == 11


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_process_that_keeps_the_store_locked_is_waited_for(source, kafka, run, options):
    """Before the mend all workers ended after the lease, with exit code 5."""
    made = source(partitions=2)
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(0)])
    command = run(made, *options)
    wait_for(lambda: len(made.events()) == 1, "the first event")
    holding = multiprocessing.get_context("spawn").Process(
        target=write_for_a_while, args=(made.folder / "dedup", HOLD_S)
    )
    holding.start()
    try:
        wait_for(lambda: f"process {holding.pid} keeps the dedup store" in command.text, "the reason")
        kafka.write(made.topic, [paid(number) for number in range(1, 200)])
        wait_for(lambda: "the dedup store can be written again" in command.text, "its end")
    finally:
        holding.join(PATIENCE_S)
    wait_for(lambda: len(made.events()) == 200, "the rest")
    assert command.stop() == 0
    assert "starting it again" not in command.text
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(200)}


def test_a_process_that_keeps_the_store_locked_does_not_hold_a_stop(source, kafka, run):
    made = source(stop={"grace": f"{GRACE_S}s"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(0)])
    command = run(made)
    wait_for(lambda: len(made.events()) == 1, "the first event")
    holding = multiprocessing.get_context("spawn").Process(
        target=write_for_a_while, args=(made.folder / "dedup", PATIENCE_S)
    )
    holding.start()
    try:
        wait_for(lambda: f"process {holding.pid} keeps the dedup store" in command.text, "the reason")
        assert ends(command, signal.SIGTERM) == 0
    finally:
        holding.kill()
        holding.join()


def test_a_worker_that_stands_still_does_not_hold_a_stop(source, kafka, run):
    made = source(partitions=2, stop={"grace": f"{GRACE_S}s"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(200)])
    command = run(made, "--workers", "2")
    wait_for(lambda: len(made.events()) == 200, "the events")
    os.kill(command.workers()[1], signal.SIGSTOP)
    assert ends(command, signal.SIGTERM) == 8
    assert "worker 1 did not end within stop.grace" in command.text
    for pid in command.workers():
        assert not is_running(pid)
