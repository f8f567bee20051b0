"""`log2mq status`: how a source stands, from the brokers alone, while a job runs and while none does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient, TopicPartition

from pipeline.contracts.values import Partition
from pipeline.observe.group_status import observe_group
from pipeline.runtime.build import now_ms
from tests.support.jobs import command


def paid(number, **more):
    return json.dumps(
        {"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}", **more}
    ).encode()


@contextmanager
def observer(made):
    settings = made.load()
    with observe_group(settings.source, settings.kafka, settings.dead_letters.topic, os.environ, now_ms) as looking:
        yield looking


def status(made, *options):
    made.save()
    code, text = command("status", made.path, *options)
    assert code == 0, text
    return text


def status_of(made):
    return json.loads(status(made, "--json"))


def test_a_source_that_never_ran_has_everything_before_it(source, kafka):
    made = source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(7)], partition=1)
    found = status_of(made)
    assert (found["source"], found["group"], found["members"]) == (made.name, made.group, [])
    empty, behind = found["partitions"]
    assert (empty["committed"], empty["end"], empty["lag"], empty["oldest_ms"]) == (None, 0, 0, None)
    assert (behind["committed"], behind["end"], behind["lag"]) == (None, 7, 7)
    assert 0 <= behind["oldest_ms"] < 600_000
    assert found["total"]["lag"] == 7
    assert found["stores"] == []
    assert found["dead_letters"] == {"topic": made.dead, "exists": False, "looked_at": 0, "by_reason": {}}
    said = status(made)
    assert "no member: no job runs; 7 offsets unfinished, the oldest" in said
    assert f"the topic {made.dead} does not exist" in said
    assert kafka.committed(made.group) == {}


def test_what_a_job_has_done_is_in_its_commits(source, kafka):
    made = source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(40)], partition=0)
    kafka.write(made.topic, [paid(1), b"no JSON", paid(50, type="seen")], partition=1)
    ended = made.run_to_end()
    kafka.write(made.dead, [b"of another source"], headers=[("log2mq-source", b"other"), ("log2mq-reason", b"NOT_XML")])
    found = status_of(made)
    books = found["total"]["books"]
    assert (books["read"], books["reported"], books["duplicate"], books["filtered"], books["dead_lettered"]) == (
        ended.total.read,
        ended.total.reported,
        ended.total.duplicate,
        ended.total.filtered,
        ended.total.dead_lettered,
    )
    assert [each["lag"] for each in found["partitions"]] == [0, 0]
    assert [each["committed"] for each in found["partitions"]] == [40, 3]
    assert found["total"]["oldest_ms"] is None
    assert found["dead_letters"] == {"topic": made.dead, "exists": True, "looked_at": 2, "by_reason": {"NOT_JSON": 1}}
    assert len(found["stores"]) == 1
    said = status(made)
    assert "every offset is finished" in said
    assert "in the newest 2 records" in said
    assert "NOT_JSON 1" in said
    assert f"dedup store that the commits name: {found['stores'][0]}" in said


def test_what_a_job_cannot_finish_is_its_lag_with_the_age_of_the_oldest(source, kafka, stand_in):
    made = source(partitions=2, stop={"grace": "1s"})
    stand_in.set_faults({"name": "away", "do": "unavailable"})
    kafka.write(made.topic, [paid(number) for number in range(9)], partition=0)
    held = []
    with observer(made) as looking:

        def is_held():
            found = looking.look()
            row = found.partitions[Partition(made.topic, 0)]
            owned = [each for member in found.members.members for each in member.partitions]
            if len(owned) == 2 and row.lag == 9 and row.oldest_ms is not None and row.oldest_ms > 1_000:
                held.append(found)
            return bool(held)

        made.run_until(is_held)
        (member,) = held[0].members.members
        assert member.client_id.startswith(f"log2mq-{made.name}-")
        assert held[0].members.state == "Stable"
        assert looking.look().members.members == ()


def test_offsets_that_retention_removed_before_they_were_read_are_told(source, kafka):
    made = source()
    kafka.write(made.topic, [paid(number) for number in range(10)])
    made.run_to_end()
    kafka.write(made.topic, [paid(number) for number in range(10, 30)])
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as asking:
        asking.delete_records({TopicPartition(made.topic, 0): 14})
    found = status_of(made)
    assert (found["total"]["lag"], found["total"]["gone"]) == (20, 4)
    assert found["total"]["oldest_ms"] is not None
    assert "gone before they were read (retention): 4 offsets" in status(made)


def test_only_new_dead_letters_are_read_again(source, kafka):
    made = source()
    kafka.topic(name=made.dead)
    headers = [("log2mq-source", made.name.encode()), ("log2mq-reason", b"NOT_JSON")]
    with observer(made) as looking:
        assert looking.look().dead_letters.by_reason == {}
        kafka.write(made.dead, [b"1", b"2"], headers=headers)
        first = looking.look().dead_letters
        assert first.by_reason == {"NOT_JSON": 2}
        assert looking.look().dead_letters is first
        kafka.write(made.dead, [b"3"], headers=[*headers, ("log2mq-reason", b"NOT_XML")])  # it was a dead letter before
        assert looking.look().dead_letters.by_reason == {"NOT_JSON": 2, "NOT_XML": 1}


@pytest.mark.parametrize("options", [["--json"], []])
def test_watch_looks_again_until_a_signal(source, kafka, options):
    made = source()
    made.save()
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "status", str(made.path), "--watch", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as watching:
        lines, begun_s = [], time.monotonic()
        while sum("lag" in line for line in lines) < 2:
            lines.append(watching.stdout.readline())
            assert lines[-1], lines
            assert time.monotonic() - begun_s < 120
        watching.send_signal(signal.SIGINT)
        rest, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0, rest
    if options:
        assert all(json.loads(line)["source"] == made.name for line in lines)


def test_what_is_wrong_is_said_in_one_line(source, kafka):
    made = source(topic="no-such-topic")
    made.save()
    code, said = command("status", made.path)
    assert (code, said.count("\n")) == (3, 1)
    assert "no such topic" in said
    code, said = command("status", made.folder / "none.yaml")
    assert code == 2
    assert "expected a source file" in said
