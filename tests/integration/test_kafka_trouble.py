"""What a Kafka can do to its consumers: topics created again, brokers that stay away, records that kafka-python refuses."""

from __future__ import annotations

import os
import signal
import time

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition, errors
from kafka.consumer.fetcher import Fetcher
from kafka.producer.sender import Sender

from pipeline.contracts.values import Assigned, Commit, LostToRetention, Partition
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.dead_letters import KafkaDeadLetters
from pipeline.kafka_io.group_coordinator import POLL_LOOK_S
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.source import KafkaSource
from schemas.log import RawRecord
from schemas.refusal import ReasonCode, Refusal, Stage
from tests.support.jobs import wait_for
from tests.support.kafka import TestKafka, places

GONE_S = 3
REFUSAL = Refusal(Stage.DECODE, ReasonCode.NOT_JSON, "no JSON")


def values(word, count):
    return [b"%s-%d" % (word, number) for number in range(count)]


def open_source(kafka, topic, ranges=None, **more):
    settings = kafka.settings(topic, **{"group": f"{topic}-g", "session_timeout": "6s", **more})
    return KafkaSource(settings, client_id="member", environment={}, ranges=FixedRanges(ranges) if ranges else None)


@pytest.fixture
def opened(kafka):
    """Open sources; all are closed at the end."""
    made = []

    def make(topic, **more):
        made.append(open_source(kafka, topic, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


def poll_until(source, condition, limit_s=120, seen=None):
    """Poll until the condition over (events, records) seen so far holds."""
    events, records = seen or ([], [])
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        polled = source.poll(100, {})
        events += polled.events
        records += [each for batch in polled.records.values() for each in batch]
        if condition(events, records):
            return events, records
    raise AssertionError(f"not so within {limit_s} s: {events}, {len(records)} records")


def test_a_broker_that_stands_still_costs_neither_processor_time_nor_memory(kafka, monkeypatch):
    """`kafka` only says whether there is one to be had."""
    rounds = []
    fetch = Fetcher.fetch_records
    monkeypatch.setattr(Fetcher, "fetch_records", lambda *given, **named: rounds.append(1) or fetch(*given, **named))
    with EmbeddedBroker() as broker:
        own = TestKafka(broker.bootstrap_servers)
        source = open_source(own, own.topic(2))
        poll_until(source, lambda events, _: any(isinstance(each, Assigned) for each in events))
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            until, polls = time.monotonic() + 6, 0
            while time.monotonic() < until:
                source.poll(100, {})
                polls += 1
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        source.close()
    assert len(rounds) <= 2 * (6 / POLL_LOOK_S + polls)


def test_a_dead_letter_topic_that_is_gone_costs_no_processor_time(kafka, monkeypatch):
    """The thread of the producer goes around its loop as often as it asks for the topic, not without a pause."""
    rounds = []
    run_once = Sender.run_once
    monkeypatch.setattr(Sender, "run_once", lambda *given: rounds.append(1) or run_once(*given))
    topic = kafka.topic(1)
    letters = KafkaDeadLetters(kafka.settings("log"), topic, lambda *_: [], client_id="writer", environment={})
    letters.send(RawRecord("log", 0, 0, 0, None, b"one"), REFUSAL)
    wait_for(letters.durable, "the first dead letter")
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as asking:
        asking.delete_topics([topic])
    for offset in range(1, 6):
        letters.send(RawRecord("log", 0, offset, 0, None, b"another"), REFUSAL)
        time.sleep(0.5)
    rounds.clear()
    assert not letters.durable()
    time.sleep(GONE_S)
    assert not letters.durable()
    letters.close()
    assert 0 < len(rounds) <= GONE_S * 200


def make_anew(kafka, topic):
    """Delete a topic and make it again; between the two, the log is gone from the disk."""
    asking = KafkaAdminClient(bootstrap_servers=kafka.servers)
    asking.delete_topics([topic])
    deadline = time.monotonic() + 10
    while topic in asking.list_topics() and time.monotonic() < deadline:
        time.sleep(0.1)
    asking.close()
    time.sleep(1)
    kafka.topic(1, name=topic)


def test_a_topic_made_anew_while_the_job_was_down_is_told_by_its_id(kafka, opened):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    kafka.write(topic, values(b"old", 20))
    first = opened(topic)
    poll_until(first, lambda _, records: len(places(records)) == 20)
    assert first.commit({here: Commit(20, "books")})
    first.close()
    plain = KafkaConsumer(bootstrap_servers=kafka.servers, group_id=f"{topic}-g", enable_auto_commit=False)
    note = plain.committed(TopicPartition(*here), metadata=True)
    make_anew(kafka, topic)
    kafka.write(topic, values(b"new", 50))
    # Deleting a topic deletes the group's offsets for it; the commit is put back, as where the deletion of offsets failed.
    plain.assign([TopicPartition(*here)])
    plain.commit({TopicPartition(*here): OffsetAndMetadata(20, note.metadata, -1)})
    plain.close()
    with pytest.raises(SourceUnavailable, match=f"the topic {topic} was deleted and created again"):
        poll_until(second := opened(topic), lambda *_: False)
    second.close()
    events, records = poll_until(
        opened(topic, on_lost_offsets="continue"), lambda _, records: len(places(records)) == 50
    )
    assert [each.value for each in records] == values(b"new", 50)
    assert LostToRetention(here, 0, -1, 0) in events
    assert next(each for each in events if isinstance(each, Assigned)).start == {here: Commit(0, "books")}


def test_a_topic_made_anew_while_it_is_read_is_read_from_its_beginning(kafka, opened):
    topic = kafka.topic(1)
    kafka.write(topic, values(b"old", 20))
    source = opened(topic, on_lost_offsets="continue", metadata_max_age="1s")
    poll_until(source, lambda _, records: len(places(records)) == 20)
    assert source.commit({Partition(topic, 0): Commit(20, "")})
    make_anew(kafka, topic)  # nobody polls meanwhile
    kafka.write(topic, values(b"new", 50))
    events, records = poll_until(source, lambda _, records: {each.value for each in records} == set(values(b"new", 50)))
    assert any(isinstance(each, LostToRetention) for each in events)
    # From the beginning once, whatever was read before it was noticed.
    assert [each.offset for each in records][-50:] == list(range(50))


def test_a_topic_made_anew_while_it_is_read_halts_by_default(kafka, opened):
    topic = kafka.topic(1)
    kafka.write(topic, values(b"old", 20))
    source = opened(topic, metadata_max_age="1s")
    poll_until(source, lambda _, records: len(places(records)) == 20)
    make_anew(kafka, topic)
    kafka.write(topic, values(b"new", 50))
    with pytest.raises(SourceUnavailable, match=r"deleted and created again, .*set kafka\.on_lost_offsets to continue"):
        poll_until(source, lambda *_: False)


def test_brokers_that_stay_away_are_noticed_and_given_up(kafka, caplog):
    """kafka-python's poll returns nothing, for ever, while no broker answers. `kafka` only says whether there is one to be had."""
    from tests.support.kafka import TestKafka

    with EmbeddedBroker() as broker:
        own = TestKafka(broker.bootstrap_servers)
        topic = own.topic(1)
        own.write(topic, values(b"v", 5))
        source = open_source(own, topic, give_up_after="5m")  # a broker may take its time to start again
        poll_until(source, lambda _, records: len(places(records)) == 5)
        broker.restart(at_once=True)
        own.write(topic, values(b"w", 5))
        # An outage within the limit is waited out.
        poll_until(source, lambda _, records: {each.value for each in records} >= set(values(b"w", 5)))
        source.close()
        source = open_source(own, topic, give_up_after="8s")
        poll_until(source, lambda _, records: len(places(records)) == 10)
        broker.stop_process()
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match="reading for 8 s: no broker answers"):
            poll_until(source, lambda *_: False)
        assert time.monotonic() - began > 8
        assert "reading fails" in caplog.text
        source.close()


def test_brokers_that_go_away_while_the_latest_records_are_read_are_noticed(kafka, monkeypatch):
    """Likewise: `check --sample TOPIC` and `init` would wait for ever. `kafka` only says whether there is one to be had."""
    from tests.support.kafka import TestKafka

    monkeypatch.setattr("pipeline.kafka_io.admin.READ_LIMIT_MS", 1_000)
    with EmbeddedBroker() as broker:
        own = TestKafka(broker.bootstrap_servers)
        topic = own.topic(1)
        own.write(topic, values(b"v", 5))
        with KafkaAdmin(own.settings(topic), {}) as topics:
            seek = topics._consumer.seek
            monkeypatch.setattr(topics._consumer, "seek", lambda *place: (broker.stop_process(), seek(*place)))
            with pytest.raises(SourceUnavailable, match="reading the latest records: no broker answers"):
                list(topics.latest_records(10))


def hide_leader(monkeypatch, consumer, lost, when=lambda: True):
    """Take the leader of one partition from what a client knows: the only broker leads all partitions."""
    cluster = consumer._cluster
    find = cluster.leader_for_partition
    monkeypatch.setattr(cluster, "leader_for_partition", lambda key: -1 if key == lost and when() else find(key))


def test_a_partition_without_a_leader_is_waited_for(kafka, opened, caplog):
    topic = kafka.topic(2)
    for number in range(2):
        kafka.write(topic, values(b"v", 5), partition=number)
    source = opened(topic)
    with pytest.MonkeyPatch.context() as patch:
        hide_leader(patch, source._client._consumer, TopicPartition(topic, 1))
        for _ in range(100):
            source.poll(100, {})
            if "reading fails" in caplog.text:
                break
        assert "reading fails (LeaderNotAvailableError)" in caplog.text
    _, records = poll_until(source, lambda _, records: len(places(records)) == 10)
    assert {each.partition for each in records} == {0, 1}


@pytest.mark.parametrize("ask", [KafkaAdmin.beginning_offsets, KafkaAdmin.end_offsets])
def test_offsets_of_a_partition_without_a_leader_are_unavailable(kafka, monkeypatch, ask):
    topic = kafka.topic(2)
    with KafkaAdmin(kafka.settings(topic), {}) as admin:
        partitions = admin.partitions()
        hide_leader(monkeypatch, admin._consumer, TopicPartition(topic, 1))
        with pytest.raises(SourceUnavailable, match="looking up offsets: a partition has no leader"):
            ask(admin, partitions)


def test_a_partition_without_a_leader_for_a_moment_has_its_offset_for_a_time(kafka, monkeypatch):
    """Its end instead would leave all its records out of a replay."""
    topic = kafka.topic(2)
    for number in range(2):
        kafka.write(topic, values(b"v", 5), partition=number)
    with KafkaAdmin(kafka.settings(topic), {}) as admin:
        partitions = admin.partitions()
        by_time, is_asked = admin._consumer.offsets_for_times, iter([True])
        asking = []
        monkeypatch.setattr(
            admin._consumer, "offsets_for_times", lambda places: (asking.append(places), by_time(places))[1]
        )
        hide_leader(
            monkeypatch, admin._consumer, TopicPartition(topic, 1), lambda: bool(asking) and next(is_asked, False)
        )
        assert admin.offsets_for_time(partitions, 0) == dict.fromkeys(partitions, 0)


@pytest.mark.parametrize("question", ["beginning_offsets", "fetch_committed_offsets"])
def test_lost_offsets_are_found_again_where_the_brokers_did_not_answer_at_first(
    kafka, opened, monkeypatch, caplog, question
):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    kafka.write(topic, values(b"v", 20))
    source = opened(topic, ranges={here: (0, 20)}, on_lost_offsets="continue")  # without rebalances
    poll_until(source, lambda _, records: len(places(records)) == 20)
    assert source.commit({here: Commit(3, "books")})
    consumer = source._client._consumer
    asked = consumer._coordinator if question == "fetch_committed_offsets" else consumer
    ask, outcomes = getattr(asked, question), iter([errors.KafkaTimeoutError()])

    def fail_once(*places, **options):
        if (error := next(outcomes, None)) is not None:
            raise error
        return ask(*places, **options)

    monkeypatch.setattr(asked, question, fail_once)
    asking = KafkaAdminClient(bootstrap_servers=kafka.servers)
    asking.delete_records({TopicPartition(topic, 0): 7})
    asking.close()
    source.seek(here, 5)
    events, records = poll_until(source, lambda _, records: len(places(records)) == 13)
    assert "reading fails (KafkaTimeoutError)" in caplog.text
    topic_ids = {topic: source._client.topic_id(topic)}
    assert events == [Assigned({here: Commit(7, "books")}, topic_ids), LostToRetention(here, 5, 6, 7)]
    assert len(topic_ids[topic]) == 32
    assert [each.offset for each in records] == list(range(7, 20))


class _Raw(str):
    """A header name that is written as bytes which are no UTF-8."""

    __slots__ = ()

    def encode(self, *_):
        return b"trace\xff\xe4\xb8id"


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_header_name_that_is_no_utf8_costs_nothing(kafka, opened, compression):
    topic = kafka.topic(1)
    producer = KafkaProducer(bootstrap_servers=kafka.servers, compression_type=compression, linger_ms=200)
    producer.send(topic, value=b"first")
    producer.flush()
    for value, headers in (
        (b"second", []),
        (b"third", [("kept", b"1"), (_Raw(), b"\xff"), ("last", b"")]),
        (b"fourth", []),
    ):
        producer.send(topic, key=b"k", value=value, headers=headers)
    producer.close()
    source = opened(topic)
    _, records = poll_until(source, lambda _, records: len({each.offset for each in records}) == 4)
    assert sorted({(each.offset, each.value) for each in records}) == [
        (0, b"first"),
        (1, b"second"),
        (2, b"third"),
        (3, b"fourth"),
    ]
    third = next(each for each in records if each.offset == 2)
    assert (third.key, list(third.headers)) == (b"k", [("kept", b"1"), ("trace???id", b"\xff"), ("last", b"")])


def test_a_damaged_batch_halts_with_its_place(kafka, tmp_path):
    """A bit that flipped on the broker's disk. `kafka` only says whether there is one to be had."""
    from tests.support.kafka import TestKafka

    with EmbeddedBroker(data=tmp_path) as broker:
        own = TestKafka(broker.bootstrap_servers)
        topic = own.topic(1)
        own.write(topic, values(b"v", 3))
        broker.stop()
        (segment,) = tmp_path.rglob(f"{topic}-0/*.log")
        content = segment.read_bytes()
        place = content.index(b"v-1")
        segment.write_bytes(content[:place] + b"w" + content[place + 1 :])
        broker.start()
        own = TestKafka(broker.bootstrap_servers)
        source = open_source(own, topic)
        with pytest.raises(
            SourceUnavailable, match=rf"a record cannot be read .*{topic}.* failed crc check.*--reset-offsets"
        ):
            poll_until(source, lambda *_: False)
        source.close()


def test_dead_letters_of_records_that_are_hardly_there(source, kafka):
    made = source(kafka={"without_value": "dead_letter"})
    producer = KafkaProducer(bootstrap_servers=kafka.servers)
    producer.send(made.topic, key=b"k", value=None)
    producer.send(made.topic, value=b"no json", headers=[("empty", b"")])
    producer.close()
    _write_with_null_header(kafka, made.topic)
    _write_neither(kafka, made.topic)
    status = made.run_to_end()
    assert status.total.dead_lettered == 4
    kept = kafka.read(made.dead)
    assert sorted((each.key, each.value) for each in kept if each.key) == [(b"k", None)]
    assert sorted(each.value for each in kept if each.value is not None) == [b"", b"no json", b"null header"]


def _write_with_null_header(kafka, topic):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": kafka.servers})
    producer.produce(topic, value=b"null header", headers=[("nothing", None)])
    producer.flush(10)


def _write_neither(kafka, topic):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": kafka.servers})
    producer.produce(topic)
    producer.flush(10)


def test_a_join_that_outlasts_its_poll_is_finished_by_the_next(kafka, opened):
    """A partition was added, so the leader joins anew; polls are too short for the brokers' answer."""
    topic = kafka.topic(1)
    source = opened(topic, metadata_max_age="500ms")
    poll_until(source, lambda events, _: any(isinstance(each, Assigned) for each in events))
    asking = KafkaAdminClient(bootstrap_servers=kafka.servers)
    asking.create_partitions({topic: 2})
    asking.close()
    kafka.write(topic, values(b"v", 3), partition=1)
    read, until = [], time.monotonic() + 60
    while len(read) < 3:
        assert time.monotonic() < until, "the new partition is not read"
        read += [record for batch in source.poll(1, {}).records.values() for record in batch]
    assert {record.partition for record in read} == {1}
