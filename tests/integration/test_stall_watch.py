"""The watchdog on a real Kafka: without `take_up_parked`, so that kafka-python's own stall stands for unknown stalls."""

from __future__ import annotations

import itertools
import logging
import re
import time
from dataclasses import replace

import pytest
from kafka import KafkaProducer, TopicPartition

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Assigned, Commit, Partition, Revoked, Stalled
from pipeline.kafka_io import source_client, stall_recovery
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.source import KafkaSource
from pipeline.kafka_io.stall_watch import StallTimes, StallWatch
from tests.integration.test_stalls import paid, park, read_until, trickle
from tests.support.kafka import places

SOON = StallTimes(look_every_s=0.05, ask_after_s=0.2, seek_after_s=0.2, rebuild_after_s=0.4, rebuild_again_s=2)


@pytest.fixture
def opened(kafka, monkeypatch):
    """Open sources without the workaround. All are closed at the end."""
    monkeypatch.setattr(source_client, "take_up_parked", lambda _: None)
    made = []

    def make(topic, ranges=None, stall_times=SOON, **more):
        settings = kafka.settings(topic, **{"group": f"{topic}-g", "session_timeout": "6s", **more})
        made.append(
            KafkaSource(
                settings,
                client_id="member",
                environment={},
                ranges=FixedRanges(ranges) if ranges else None,
                stall_times=stall_times,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_new_client_frees_a_partition_that_seeking_does_not(kafka, opened, caplog):
    topic = kafka.topic(2)
    busy = Partition(topic, 0)
    kafka.write(topic, [b"v"] * 100, partition=0)
    source = opened(topic, max_poll_records=10)
    park(source, topic, kafka)
    events, records = read_until(source, lambda _, records: {each.offset for each in records} >= set(range(100)))
    after = events[events.index(Stalled(busy)) :]
    assert [type(each) for each in after if not isinstance(each, Stalled)][:2] == [Revoked, Assigned]
    first = next(each.offset for each in records if each.partition == 0)
    assert first == 0  # nothing was committed
    said = rf"{topic}:0 has stood at offset \d+ for \d+ s although it has records up to 99; "
    assert re.search(rf"{said}seeking to this offset\n(.*\n)*.*{said}making a new client", caplog.text)


def test_what_may_be_committed_is_not_read_again_after_a_new_client(kafka, opened):
    topic = kafka.topic(2)
    kafka.write(topic, [b"v"] * 100, partition=0)
    source = opened(topic, max_poll_records=10)
    park(source, topic, kafka)
    committable = {Partition(topic, 0): Commit(10, ""), Partition(topic, 1): Commit(1, "")}
    records, until = [], time.monotonic() + 60
    while {each.offset for each in records if not each.partition} < set(range(10, 100)):
        assert time.monotonic() < until
        records += [each for batch in source.poll(50, committable).records.values() for each in batch]
    assert min(each.offset for each in records if not each.partition) == 10


def test_a_replay_that_stalls_reads_each_record_once(kafka, opened):
    topic = kafka.topic(2)
    kafka.write(topic, [b"v"] * 100, partition=0)
    busy, quiet = Partition(topic, 0), Partition(topic, 1)
    source = opened(topic, max_poll_records=10, ranges={busy: (5, 95), quiet: (0, 1)})
    read = park(source, topic, kafka)
    events, rest = read_until(source, lambda *_: source.ended())
    assert sorted((each.partition, each.offset) for each in [*read, *rest]) == [
        *((0, offset) for offset in range(5, 95)),
        (1, 0),
    ]
    assert set(events) == {Stalled(busy)}


def test_seeking_frees_what_it_can(kafka, opened, caplog):
    """A client that waits for ever for the check of a position of which it does not know the leader's epoch."""
    topic = kafka.topic(1)
    kafka.write(topic, [b"v"] * 5)
    no_rebuild = replace(SOON, rebuild_after_s=600)
    source = opened(topic, ranges={Partition(topic, 0): (0, 25)}, stall_times=no_rebuild)
    read_until(source, lambda _, records: len(places(records)) == 5)
    source._client._consumer.seek(TopicPartition(topic, 0), 5)
    source._client._consumer._subscription.assignment[TopicPartition(topic, 0)]._awaiting_validation = True
    kafka.write(topic, [b"v"] * 20)
    events, records = read_until(source, lambda _, records: len(places(records)) == 20)
    assert Stalled(Partition(topic, 0)) in events
    assert [each.offset for each in records] == list(range(5, 25))
    assert "seeking to this offset" in caplog.text


def test_a_partition_that_only_the_client_takes_for_paused_is_read_on(kafka, opened):
    topic = kafka.topic(1)
    kafka.write(topic, [b"v"] * 5)
    source = opened(topic, ranges={Partition(topic, 0): (0, 25)})
    read_until(source, lambda _, records: len(places(records)) == 5)
    source._client._consumer.pause(TopicPartition(topic, 0))
    kafka.write(topic, [b"v"] * 20)
    events, _ = read_until(source, lambda _, records: len(places(records)) == 20)
    assert Stalled(Partition(topic, 0)) not in events


def test_what_the_owner_paused_is_no_stall(kafka, opened, caplog):
    topic = kafka.topic(1)
    kafka.write(topic, [b"v"] * 5)
    source = opened(topic, ranges={Partition(topic, 0): (0, 25)})
    read_until(source, lambda _, records: len(places(records)) == 5)
    source.pauses.add(PauseReason.IN_FLIGHT, [Partition(topic, 0)])
    caplog.clear()
    kafka.write(topic, [b"v"] * 20)
    until = time.monotonic() + 5 * (SOON.ask_after_s + SOON.seek_after_s + SOON.rebuild_after_s)
    while time.monotonic() < until:
        polled = source.poll(50, {})
        assert not polled.events
        assert not polled.records
    assert "has stood" not in caplog.text
    source.pauses.end(PauseReason.IN_FLIGHT, [Partition(topic, 0)])
    read_until(source, lambda _, records: len(places(records)) == 20)


def test_an_open_transaction_is_no_stall(kafka, opened, caplog):
    caplog.set_level(logging.WARNING, "log2mq.kafka")
    topic = kafka.topic(1)
    kafka.write(topic, [b"before"] * 5)
    producer = KafkaProducer(bootstrap_servers=kafka.servers, transactional_id=f"{topic}-tx")
    producer.init_transactions()
    producer.begin_transaction()
    for _ in range(5):
        producer.send(topic, b"open")
    producer.flush()
    kafka.write(topic, [b"behind"] * 5)
    source = opened(topic, isolation_level="read_committed")
    read_until(source, lambda _, records: len(places(records)) == 5)
    until = time.monotonic() + 5 * (SOON.ask_after_s + SOON.seek_after_s + SOON.rebuild_after_s)
    while time.monotonic() < until:
        source.poll(50, {})
    assert "has stood at offset 5" not in caplog.text
    producer.commit_transaction()
    producer.close()
    read_until(source, lambda _, records: len([each for each in records if each.value != b"before"]) == 10)


def test_a_job_that_stalls_again_and_again_reports_everything_once(source, kafka, monkeypatch, caplog):
    monkeypatch.setattr(source_client, "take_up_parked", lambda _: None)
    monkeypatch.setattr(stall_recovery, "StallWatch", lambda now_s, _times: StallWatch(now_s, SOON))
    made = source(2, limits={"unfinished": 300})
    busy = Partition(made.topic, 0)
    written = itertools.count(0, 2_000)

    def write_more():
        first = next(written)
        kafka.write(made.topic, [paid(1_000_000 + number) for number in range(first, first + 2_000)], partition=0)

    def is_read_after_a_stall():
        (end,) = (end for each, end in kafka.ends(made.topic).items() if each == busy)
        if not made.is_committed({busy: end}):
            return False
        if "has stood at offset" in caplog.text:
            return True
        write_more()
        return False

    write_more()
    with trickle(kafka, made, 0):
        status = made.run_until(is_read_after_a_stall)
    assert status.stalls
    assert set(made.events().values()) == {1}
