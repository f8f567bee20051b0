"""Partitions that stand still: kafka-python's own stalls on a real Kafka, and what frees them."""

from __future__ import annotations

import itertools
import json
import threading
import time
from contextlib import contextmanager

import pytest
from kafka import KafkaConsumer, TopicPartition

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Partition
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.source import KafkaSource
from tests.support.jobs import PATIENCE_S
from tests.support.kafka import places


def paid(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


@pytest.fixture
def opened(kafka):
    """Open sources; all are closed at the end."""
    made = []

    def make(topic, ranges=None, **more):
        settings = kafka.settings(topic, **{"group": f"{topic}-g", "session_timeout": "6s", **more})
        made.append(
            KafkaSource(settings, client_id="member", environment={}, ranges=FixedRanges(ranges) if ranges else None)
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def read_until(source, condition):
    """Poll until the condition over (events, records) seen so far holds."""
    events, records, until = [], [], time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        polled = source.poll(50, {})
        events += polled.events
        records += [each for batch in polled.records.values() for each in batch]
        if condition(events, records):
            return events, records
    raise AssertionError(f"not so within {PATIENCE_S} s: {events}, {len(records)} records")


def is_of(partition):
    return lambda _, records: any(each.partition == partition for each in records)


def park(source, topic, kafka):
    """Bring the source to where partition 0, which has records, was paused and resumed, and its records are parked behind a drained buffer of partition 1."""
    here = Partition(topic, 0)
    for _ in range(10):
        _, busy = read_until(source, is_of(0))
        source.pauses.add(PauseReason.IN_FLIGHT, [here])
        kafka.write(topic, [b"trickle"], partition=1)
        _, quiet = read_until(source, is_of(1))
        source.pauses.end(PauseReason.IN_FLIGHT, [here])
        if TopicPartition(*here) in source._client._consumer._fetcher._paused_partition_records:
            return [*busy, *quiet]
        source.seek(here, 0)  # the group was rebalanced meanwhile
    raise AssertionError("its records are not parked")


@contextmanager
def trickle(kafka, made, first):
    """Write a paid order to partition 1 now and then."""
    is_done = threading.Event()

    def write():
        for number in itertools.count(first):
            if is_done.wait(0.05):
                return
            kafka.write(made.topic, [paid(number)], partition=1)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        yield
    finally:
        is_done.set()
        writing.join()


def test_kafka_python_still_needs_that_parked_records_are_taken_up(kafka):
    """When this fails the client mends it itself: take `take_up_parked` out."""
    topic = kafka.topic(2)
    busy, quiet = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer = KafkaConsumer(bootstrap_servers=kafka.servers, auto_offset_reset="earliest", group_id=None)
    consumer.assign([busy, quiet])
    kafka.write(topic, [b"v"] * 100, partition=0)
    while busy not in consumer.poll(50, max_records=10):
        pass
    consumer.pause(busy)
    kafka.write(topic, [b"trickle"], partition=1)
    while quiet not in consumer.poll(50, max_records=10):
        pass
    consumer.resume(busy)
    read = [consumer.poll(50, max_records=10) for _ in range(20)]
    consumer.close()
    assert not any(read)


def test_a_partition_that_was_paused_alone_is_read_on(kafka, opened):
    topic = kafka.topic(2)
    kafka.write(topic, [b"v"] * 100, partition=0)
    source = opened(topic, max_poll_records=10, ranges={Partition(topic, 0): (0, 100), Partition(topic, 1): (0, 2)})
    park(source, topic, kafka)
    _, records = read_until(source, lambda _, records: len(places(records)) == 90)
    assert [each.offset for each in records] == list(range(10, 100))


def test_a_partition_that_was_paused_alone_is_read_on_while_others_have_much_to_read(kafka, opened):
    """Each poll ends in the middle of some other partition's buffer, so that none is ever found empty."""
    topic = kafka.topic(4)
    kafka.write(topic, [b"v"] * 100, partition=0)
    ranges = {Partition(topic, number): (0, 3_000) for number in range(4)}
    source = opened(topic, max_poll_records=7, ranges=ranges)
    park(source, topic, kafka)
    source.pauses.add(PauseReason.IN_FLIGHT, [Partition(topic, 0)])
    for other in (1, 2, 3):
        kafka.write(topic, [b"v"] * 3_001, partition=other)
    read_until(source, lambda _, records: {each.partition for each in records} == {1, 2, 3})
    source.pauses.end(PauseReason.IN_FLIGHT, [Partition(topic, 0)])
    _, records = read_until(source, is_of(0))
    assert sum(each.partition > 0 for each in records) < 200
    _, records = read_until(source, lambda _, records: sum(each.partition == 0 for each in records) >= 50)
    for number in range(4):
        offsets = [each.offset for each in records if each.partition == number]
        assert all(after == before + 1 for before, after in itertools.pairwise(offsets))


def test_one_busy_partition_beside_a_trickle_is_read_to_its_end(source, kafka):
    made = source(2, limits={"unfinished": 300})
    busy = Partition(made.topic, 0)
    kafka.write(made.topic, [paid(number) for number in range(20_000)], partition=0)
    with trickle(kafka, made, 20_000):
        status = made.run_until(lambda: made.is_committed({busy: 20_000}), limit_s=120)
    assert status.books[busy].reported == 20_000


def test_records_handed_back_at_the_end_of_a_range_are_read_again(kafka, opened):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    kafka.write(topic, [b"v"] * 20)
    source = opened(topic, ranges={here: (5, 15)})
    read_until(source, lambda _, records: len(places(records)) == 10)
    assert source.ended()
    source.seek(here, 12)
    assert not source.ended()
    _, records = read_until(source, lambda _, records: len(places(records)) == 3)
    assert [each.offset for each in records] == [12, 13, 14]
    assert source.ended()


def test_a_seek_from_the_end_of_a_range_does_not_end_the_pause_of_the_job(kafka, opened):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    kafka.write(topic, [b"v"] * 20)
    source = opened(topic, ranges={here: (5, 15)})
    read_until(source, lambda _, records: len(places(records)) == 10)
    source.pauses.add(PauseReason.UNDECODABLE, [here])
    source.seek(here, 12)
    for _ in range(20):
        assert not source.poll(50, {}).records
    source.pauses.end(PauseReason.UNDECODABLE, [here])
    _, records = read_until(source, lambda _, records: len(places(records)) == 3)
    assert [each.offset for each in records] == [12, 13, 14]
    assert not source.poll(0, {}).records
    assert source.pauses.reasons(here) == {PauseReason.RANGE_READ}
