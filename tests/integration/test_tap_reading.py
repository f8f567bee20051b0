"""`log2mq tap` on a real Kafka: what it shows, and that it leaves no trace."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

from kafka import KafkaAdminClient

ENVIRONMENT = {**os.environ, "SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def paid(number, **more):
    return json.dumps(
        {"type": "paid", "ts": 1_700_000_000_000, "user": f"member-{number}", "no": f"n{number}", **more}
    ).encode()


def tap(path, *options):
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "tap", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def trace(made, kafka):
    """Everything that a look must leave alone: the groups of the topic or of the source, their offsets, and the dedup store to the byte."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.servers)
    try:
        offsets = admin.list_group_offsets({each["group_id"]: None for each in admin.list_groups()})
        groups = sorted(
            group
            for group, committed in offsets.items()
            if made.name in group or any(partition.topic == made.topic for partition in committed)
        )
    finally:
        admin.close()
    store = {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in (made.folder / "dedup").rglob("*")
        if each.is_file()
    }
    return groups, kafka.committed(made.group), store, kafka.ends(made.dead), dict(made.stand_in.ledger.events)


def test_a_look_leaves_offsets_groups_dedup_store_and_dead_letters_alone(source, kafka):
    made = source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(20)] + [b"{broken"])
    made.run_to_end()
    kafka.write(made.topic, [paid(number) for number in range(20, 30)] + [b"{broken"])
    before = trace(made, kafka)
    assert before[1]
    assert before[2]
    lines = [
        json.loads(line)
        for line in tap(made.path, "--from", "earliest", "--json", "--count", "30", "--rate", "0").stdout.splitlines()
    ]
    assert sorted(each["entries"][0]["no"] for each in lines) == sorted(f"n{number}" for number in range(30))
    refused = [
        json.loads(line)
        for line in tap(
            made.path, "--from", "earliest", "--json", "--count", "2", "--reason", "not_json"
        ).stdout.splitlines()
    ]
    assert {each["refusal"]["code"] for each in refused} == {"NOT_JSON"}
    assert trace(made, kafka) == before
    made.run_to_end()  # the job reads on where it was
    assert len(made.events()) == 30
    assert set(made.events().values()) == {1}


def test_conditions_and_partitions_choose(source, kafka):
    made = source(partitions=2)
    made.save()
    kafka.write(made.topic, [paid(1), paid(2, amount=5), paid(3)], partition=0)
    kafka.write(made.topic, [paid(4, amount=7)], partition=1)
    said = tap(made.path, "--from", "0", "--json", "--count", "1", "--partitions", "1", "--stage", "mapped")
    assert json.loads(said.stdout)["messages"][0]["extendAttributes"]["outBizId"] == "n4"
    said = tap(made.path, "--from", "0", "--count", "2", "--where", "amount: {gt: 0}")
    assert said.stdout.count("── ") == 2
    assert "member-" not in said.stdout
    assert "2 shown" in said.stderr


def test_ctrl_c_ends_a_live_look_with_its_count(source, kafka, tmp_path):
    made = source()
    made.save()
    kafka.write(made.topic, [paid(0)])
    shown, said = tmp_path / "shown", tmp_path / "said"
    with shown.open("wb") as output, said.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "tap", str(made.path), "--json"],
            stdout=output,
            stderr=errors,
            env=ENVIRONMENT,
        )
    try:
        until = time.monotonic() + 60
        number = 1
        while not shown.read_bytes():  # what comes after it has begun is what it shows
            assert time.monotonic() < until, said.read_text()
            assert process.poll() is None, said.read_text()
            kafka.write(made.topic, [paid(number)])
            number += 1
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    lines = [json.loads(line) for line in shown.read_text().splitlines()]
    assert lines[0]["offset"] > 0  # not what was there before
    assert f"{len(lines)} shown" in said.read_text()
    assert "Traceback" not in said.read_text()


def test_a_topic_that_is_not_there_is_a_sentence(source):
    made = source(topic="t-is-not-there")
    made.save()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "tap", str(made.path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT,
    )
    assert done.returncode == 3
    assert "no such topic" in done.stderr
