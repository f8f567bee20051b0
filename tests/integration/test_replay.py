"""Replay: a range again, with a group of its own; only what was never reported is sent."""

from __future__ import annotations

import json
import time

import pytest
from kafka import KafkaConsumer, errors

from pipeline.contracts.values import Partition
from pipeline.errors import UsageError
from pipeline.job import intake
from pipeline.job.replay_range import FROM_NAMES, TO_NAMES, Bound, plan, replay_group
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.runtime.build import Hooks, now_ms
from pipeline.runtime.replay_job import DryReplayJob, ReplayJob

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def paid(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


def registered(user, phone):
    return json.dumps({"type": "register", "user": user, "phone": phone}).encode()


def replay(made, start, end, job_type=ReplayJob, stop_after=None):
    settings = made.load()
    with KafkaAdmin(settings.kafka, KEYS) as topics:
        partitions = topics.partitions()
        group = replay_group(settings.kafka.group, start, end, partitions)
        bounds = Bound.parse(start, now_ms(), FROM_NAMES), Bound.parse(end, now_ms(), TO_NAMES)
        todo = plan(group, *bounds, partitions, topics, topics.committed(group))
        live = topics.committed(settings.kafka.group, partitions)
    hooks = Hooks()
    running = []
    if stop_after is not None:
        hooks.on_status = lambda status: running[0].stop() if status.total.reported >= stop_after else None
    with job_type(settings, KEYS, hooks, todo, live) as job:
        running.append(job.runner)
        return todo, job.runner.run()


def test_a_replay_reports_only_what_was_never_reported_and_the_second_nothing(source, kafka):
    made = source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(100)])
    kafka.topic(name=made.dead)
    _, first = replay(made, "earliest", "now")
    assert (first.total.read, first.total.reported) == (100, 100)
    _, second = replay(made, "earliest", "now")
    second.total.check()
    assert (second.total.read, second.total.reported, second.total.duplicate) == (100, 0, 100)
    assert set(made.events().values()) == {1}
    assert kafka.committed(made.group) == {}  # the live job's offsets are left alone


def test_a_dead_letter_is_written_once_by_runs_replays_and_dry_runs(source, kafka):
    made = source()
    broken = [b"{broken %d" % number for number in range(20)]
    kafka.write(made.topic, [paid(0), *broken])
    assert made.run_to_end().total.dead_lettered == 20
    kafka.write(made.topic, [b"{another"])
    for _ in range(2):
        assert replay(made, "earliest", "now", DryReplayJob)[1].total.dead_lettered == 21
    assert len(kafka.read(made.dead)) == 20
    for _ in range(2):
        total = replay(made, "earliest", "now")[1].total
        total.check()
        assert (total.duplicate, total.dead_lettered) == (1, 21)
    assert made.run_to_end().total.dead_lettered == 1
    assert sorted(each.value for each in kafka.read(made.dead)) == sorted([*broken, b"{another"])


def test_a_replay_of_an_old_stretch_reports_no_older_identities(source, kafka, stand_in):
    made = source()
    kafka.write(made.topic, [registered("u1", f"1381234567{number}") for number in range(3)])
    assert made.run_to_end().total.users_reported == 3
    total = replay(made, "0", "2")[1].total
    total.check()
    assert (total.read, total.redelivered, total.users_reported) == (2, 2, 0)
    kafka.write(made.topic, [registered("u1", "13812345670")])
    assert made.run_to_end().total.users_reported == 1


def test_a_dry_run_says_what_would_be_sent_and_leaves_no_trace(source, kafka):
    made = source()
    kafka.write(made.topic, [paid(number) for number in range(30)] + [paid(3), b"{broken"])
    kafka.topic(name=made.dead)
    for _ in range(2):
        _, status = replay(made, "earliest", "now", DryReplayJob)
        assert (status.total.reported, status.total.duplicate, status.total.dead_lettered) == (30, 1, 1)
    assert made.events() == {}
    assert kafka.read(made.dead) == []
    replay(made, "0", "10")
    _, status = replay(made, "earliest", "now", DryReplayJob)
    assert (status.total.reported, status.total.duplicate) == (20, 11)


def test_an_interrupted_replay_goes_on_to_the_same_end(source, kafka, stand_in):
    made = source(
        report={"batch": "{events: 10, age: 10ms}", "senders": 1},
        kafka={"max_poll_records": 20},
        limits={"unfinished": 100},
    )
    kafka.write(made.topic, [paid(number) for number in range(400)])
    kafka.topic(name=made.dead)
    stand_in.set_faults({"name": "slow", "do": "delay", "latency": "100ms"})
    _, first = replay(made, "earliest", "now", stop_after=20)
    assert 0 < first.total.reported < 400
    stand_in.set_faults()
    kafka.write(made.topic, [paid(number) for number in range(400, 450)])  # after the end that was settled
    todo, second = replay(made, "earliest", "now")
    assert todo.is_resumed
    assert first.total.reported + second.total.reported == 400
    assert second.total.duplicate == 0
    assert len(made.events()) == 400


def test_a_replay_of_records_that_convert_slowly_ends(source, kafka, monkeypatch):
    """Most records of each poll are handed back, those at the end of the range, too."""
    monkeypatch.setattr(intake, "CONVERT_MS", 1)
    made = source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(1_000)])
    kafka.topic(name=made.dead)
    _, status = replay(made, "earliest", "now")
    status.total.check()
    assert (status.total.read, status.total.reported) == (1_000, 1_000)


def test_a_range_that_the_brokers_did_not_take_at_first_is_kept(source, kafka, stand_in, monkeypatch):
    made = source(
        report={"batch": "{events: 10, age: 10ms}", "senders": 1},
        kafka={"max_poll_records": 20},
        limits={"unfinished": 100},
    )
    kafka.write(made.topic, [paid(number) for number in range(400)])
    kafka.topic(name=made.dead)
    stand_in.set_faults({"name": "slow", "do": "delay", "latency": "100ms"})
    commit, outcomes = KafkaConsumer.commit, iter([errors.CoordinatorNotAvailableError()])

    def fail_once(consumer, *offsets, **options):
        if (error := next(outcomes, None)) is not None:
            raise error
        return commit(consumer, *offsets, **options)

    monkeypatch.setattr(KafkaConsumer, "commit", fail_once)
    todo, first = replay(made, "earliest", "now", stop_after=20)
    assert 0 < first.total.reported < 400
    stand_in.set_faults()
    kafka.write(made.topic, [paid(number) for number in range(400, 450)])  # after the end that was settled
    again, second = replay(made, "earliest", "now")
    here = Partition(made.topic, 0)
    assert again.is_resumed
    assert again.bounds[here][1] == todo.bounds[here][1] == 400
    assert first.total.reported + second.total.reported == 400


def test_a_time_bounds_the_range(source, kafka):
    made = source()
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(1)])
    time.sleep(0.05)
    between = now_ms()
    time.sleep(0.05)
    kafka.write(made.topic, [paid(2), paid(3)])
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(between // 1000))}.{between % 1000:03d}+00:00"
    todo, status = replay(made, moment, "now")
    assert todo.bounds == {Partition(made.topic, 0): (1, 3)}
    assert status.total.reported == 2


def test_an_empty_range_says_what_there_is(source, kafka):
    made = source()
    kafka.write(made.topic, [paid(1)])
    with pytest.raises(UsageError, match=r"holds no record \(.*:0 has 0 to 0\)"):
        replay(made, "7", "now")


@pytest.mark.parametrize("text", ["yesterday", "-5", "2026-13-01", "99999999999999999999", ""])
def test_a_bound_that_is_none_is_said_with_examples(text):
    with pytest.raises(UsageError, match="expected an offset such as 1200"):
        Bound.parse(text, 0, FROM_NAMES)
