"""A store or a dead-letter topic that fails while the job runs: the job holds or halts, and passes no event by."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time

import pytest
from kafka import KafkaAdminClient

from tests.support.jobs import wait_for

ENVIRONMENT = {**os.environ, "SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def paid(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


class Process:
    """`log2mq run` with its output in a pipe, so that a limit on files touches the store alone."""

    def __init__(self, made):
        made.kafka.topic(name=made.dead)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run", str(made.save()), "--no-progress"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT,
        )  # fmt: skip
        self._said = []
        self._reader = threading.Thread(target=lambda: self._said.extend(iter(self.process.stdout.readline, b"")))
        self._reader.start()

    @property
    def text(self):
        return b"".join(self._said).decode()

    def wait(self, limit_s=180):
        code = self.process.wait(timeout=limit_s)
        self._reader.join()
        return code, self.text


@pytest.fixture
def run():
    started = []

    def start(made):
        started.append(Process(made))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.wait()


SENDERS = 4
SLOW = {"name": "slow", "do": "delay", "latency": "100ms"}


def require_all_reported(made, count):
    """All arrived, and none twice: what was on its way when the job halted was waited for, and remembered although the store was full."""
    events = made.events()
    assert {biz for _, biz in events} == {f"n{number}" for number in range(count)}
    assert {key: times for key, times in events.items() if times > 1} == {}


def test_a_full_store_halts_and_nothing_is_passed_by(source, kafka, run):
    made = source(dedup={"max_size": "1MiB"}, report={"senders": SENDERS})
    made.stand_in.set_faults(SLOW)  # calls are under way when the store is full
    kafka.write(made.topic, map(paid, range(30_000)))
    code, text = run(made).wait()
    assert code == 5
    assert "is full" in text
    assert "raise dedup.max_size" in text
    assert "Traceback" not in text
    made.sections["dedup"]["max_size"] = "64MiB"
    made.run_to_end()
    require_all_reported(made, 30_000)


def test_a_disk_that_fills_up_halts_and_nothing_is_passed_by(source, kafka, run, monkeypatch):
    monkeypatch.delitem(ENVIRONMENT, "COVERAGE_PROCESS_CONFIG", raising=False)  # it would write a file at its end
    made = source(report={"senders": SENDERS})
    kafka.write(made.topic, map(paid, range(1_000)))
    process = run(made)
    wait_for(lambda: made.committed() == 1_000, "the first events")
    made.stand_in.set_faults(SLOW)  # calls are under way when the disk is full
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (0, 0))  # no file may grow any more
    kafka.write(made.topic, map(paid, range(1_000, 3_000)))
    code, text = process.wait()
    assert code == 5
    assert str(made.folder / "dedup") in text
    assert "Traceback" not in text
    committed = kafka.committed(made.group)
    assert sum(commit.offset for commit in committed.values()) < 3_000
    made.run_to_end()
    require_all_reported(made, 3_000)


def delete_topic(kafka, topic):
    asking = KafkaAdminClient(bootstrap_servers=kafka.servers)
    asking.delete_topics([topic])
    asking.close()


def test_a_dead_letter_topic_that_goes_away_holds_the_job_until_it_is_back(source, kafka, run, here):
    made = source()
    kafka.write(made.topic, [b"broken"])
    process = run(made)
    wait_for(lambda: made.is_committed({here(made): 1}), "the first dead letter")
    delete_topic(kafka, made.dead)
    kafka.write(made.topic, [paid(0), b"broken as well", paid(1)])
    wait_for(lambda: len(made.events()) == 2, "the good events")
    time.sleep(2)
    assert kafka.committed(made.group)[here(made)].offset == 2  # not past the broken record
    kafka.topic(name=made.dead)
    wait_for(lambda: made.is_committed({here(made): 4}), "the rest", limit_s=180)
    assert [each.value for each in kafka.read(made.dead)] == [b"broken as well"]
    process.process.terminate()
    assert process.wait()[0] == 0


BROKEN = [b"broken %d" % number for number in range(20)]


def begin_without_dead_letter_topic(made, run):
    """Start a job, take its dead-letter topic away, and return when the job has noticed."""
    made.kafka.write(made.topic, [b"broken"])
    process = run(made)
    wait_for(lambda: made.committed() == 1, "the first dead letter")
    delete_topic(made.kafka, made.dead)
    for each in BROKEN:  # the first finds the topic missing, the others do not find it any more
        made.kafka.write(made.topic, [each])
        time.sleep(0.05)
    wait_for(lambda: "the dead-letter topic takes no records" in process.text, "the warning")
    return process


def test_a_dead_letter_topic_that_is_away_holds_up_nothing_else(source, kafka, run):
    made = source()
    process = begin_without_dead_letter_topic(made, run)
    for number in range(5):
        kafka.write(made.topic, [paid(number)])
        wait_for(lambda count=number + 1: len(made.events()) == count, "the good event", limit_s=10)
    assert made.committed() == 1
    kafka.topic(name=made.dead)
    wait_for(lambda: made.committed() == 26, "the dead letters", limit_s=150)
    assert sorted(each.value for each in kafka.read(made.dead)) == sorted(BROKEN)
    wait_for(lambda: "the dead-letter topic takes records again" in process.text, "the news")
    process.process.terminate()
    assert process.wait()[0] == 0
    assert sorted(each.value for each in kafka.read(made.dead)) == sorted(BROKEN)


def test_a_dead_letter_topic_that_is_away_for_many_records_halts(source, run):
    made = source(kafka={"give_up_after": "8s"})
    code, text = begin_without_dead_letter_topic(made, run).wait()
    assert code == 6
    assert f"the dead-letter topic {made.dead} has taken no record for 8 s" in text
    assert "21 dead letters were not written" not in text  # one was
    assert made.committed() == 1


def test_a_job_stops_within_its_grace_while_the_dead_letter_topic_is_away(source, kafka, run):
    made = source(stop={"grace": "2s"})
    process = begin_without_dead_letter_topic(made, run)
    process.process.terminate()
    code, text = process.wait(limit_s=15)
    assert code == 11
    assert "20 dead letters were not written; their records are redelivered" in text
    assert made.committed() == 1
    made.run_to_end()  # which makes the topic
    assert sorted(each.value for each in kafka.read(made.dead)) == sorted(BROKEN)


def test_a_second_signal_ends_a_job_at_once_while_the_dead_letter_topic_is_away(source, run):
    made = source(stop={"grace": "10m"})
    process = begin_without_dead_letter_topic(made, run)
    process.process.terminate()
    time.sleep(0.5)
    assert process.process.poll() is None
    process.process.terminate()
    assert process.wait(limit_s=10)[0] == 130


def test_dead_letters_are_written_once_and_to_all_in_sync_replicas(source, kafka):
    """One broker alone acknowledges for all, so this looks at what the producer asks for."""
    made = source()
    with made.job() as job:
        asked = job.runner._dead_lettering._writer._producer.config
    assert (asked["acks"], asked["enable_idempotence"]) == (-1, True)


def test_a_dead_letter_topic_that_stays_away_halts(source, kafka, run, here):
    made = source(kafka={"give_up_after": "8s"})
    kafka.write(made.topic, [b"broken"])
    process = run(made)
    wait_for(lambda: made.is_committed({here(made): 1}), "the first dead letter")
    delete_topic(kafka, made.dead)
    kafka.write(made.topic, [b"broken as well"])
    code, text = process.wait()
    assert code == 6
    assert "the dead-letter topic takes no records; the job keeps them for up to 8 s" in text
    assert f"the dead-letter topic {made.dead} has taken no record for 8 s" in text
    assert kafka.committed(made.group)[here(made)].offset == 1


def test_a_dead_letter_topic_that_refuses_for_good_halts(source, kafka, run):
    made = source()
    kafka.topic(name=made.dead, max_message_bytes=64)
    kafka.write(made.topic, [paid(0), b"broken"])
    code, text = run(made).wait()
    assert code == 6
    assert f"the dead-letter topic {made.dead} refuses records: " in text
    assert "Traceback" not in text
