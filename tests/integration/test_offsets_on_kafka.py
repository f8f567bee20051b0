"""Offsets on a real Kafka: rebalances, the fence, gaps, retention, topics created again, restarts."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.cluster import ClusterMetadata
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Assigned, Commit, LostToRetention, Partition, Revoked
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.commit_metadata import CommitMetadata
from pipeline.kafka_io.consumer import OwnershipChange, Rebalance
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.source import KafkaSource
from tests.support.kafka import places


def paid(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


@pytest.fixture
def member(kafka):
    """Make members of a group; all are closed at the end."""
    made = []

    def make(topic, group, **more):
        source = KafkaSource(
            kafka.settings(topic, group=group, session_timeout="6s", **more), client_id=f"m{len(made)}", environment={}
        )
        made.append(source)
        return source

    yield make
    for each in made:
        each.close()


@contextmanager
def older_member(kafka, topic, group):
    """A member of an older version, which knows eager rounds only."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka.servers,
        group_id=group,
        enable_auto_commit=False,
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
    )
    enough = threading.Event()

    def poll():
        while not enough.is_set():
            consumer.poll(100)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
        consumer.close()


def poll_until(source, condition, committable=None, limit_s=120):
    """Poll until the condition over (events, records, positions) seen so far holds."""
    events, records, positions = [], [], {}
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        polled = source.poll(100, committable or {})
        events += polled.events
        records += [each for batch in polled.records.values() for each in batch]
        positions |= polled.positions
        if condition(events, records, positions):
            return events, records, positions
    raise AssertionError(f"not so within {limit_s} s: {events}, {len(records)} records, {positions}")


def keep_polling(source, until):
    """Poll as a member without partitions does, in a thread, until an event is set."""

    def poll():
        while not until.is_set():
            source.poll(100, {})

    thread = threading.Thread(target=poll)
    thread.start()
    return thread


def add_records(kafka, topic, count=10, partition=None):
    kafka.write(topic, [paid(number) for number in range(count)], partition=partition)


def admin(kafka):
    return KafkaAdminClient(bootstrap_servers=kafka.servers)


def test_start_latest_passes_over_what_is_there_but_not_over_a_partition_added_later(kafka, member):
    topic = kafka.topic(1)
    add_records(kafka, topic)
    first = member(topic, f"{topic}-g", start="latest")
    events, _, _ = poll_until(first, lambda events, *_: any(isinstance(each, Assigned) for each in events))
    assert events[0].start[Partition(topic, 0)].offset == 10
    first.close()
    asking = admin(kafka)
    asking.create_partitions({topic: 2})
    asking.close()
    add_records(kafka, topic, 5, partition=1)
    add_records(kafka, topic, 3, partition=0)
    second = member(topic, f"{topic}-g", start="latest")
    _, records, _ = poll_until(second, lambda _, records, __: len(places(records)) == 8)
    assert sorted((each.partition, each.offset) for each in records) == [
        (0, 10),
        (0, 11),
        (0, 12),
        *((1, offset) for offset in range(5)),
    ]


def test_offsets_removed_by_retention_halt_with_the_range_or_are_counted(kafka, member):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    add_records(kafka, topic)
    first = member(topic, f"{topic}-g")
    poll_until(first, lambda _, records, __: len(places(records)) == 10)
    assert first.commit({here: Commit(4, "books")})
    first.close()
    asking = admin(kafka)
    asking.delete_records({TopicPartition(topic, 0): 7})
    asking.close()
    second = member(topic, f"{topic}-g")
    with pytest.raises(SourceUnavailable, match=f"offsets 4 to 6 of {topic}:0 are gone"):
        poll_until(second, lambda *_: False)
    second.close()
    third = member(topic, f"{topic}-g", on_lost_offsets="continue")
    events, records, _ = poll_until(third, lambda _, records, __: len(places(records)) == 3)
    assert LostToRetention(here, 4, 6, 7) in events
    assert next(each for each in events if isinstance(each, Assigned)).start == {here: Commit(7, "books")}
    assert [each.offset for each in records] == [7, 8, 9]


def test_a_topic_made_anew_is_not_passed_over_in_silence(kafka, member):
    topic = kafka.topic(1)
    add_records(kafka, topic, 20)
    first = member(topic, f"{topic}-g")
    poll_until(first, lambda _, records, __: len(places(records)) == 20)
    first.commit({Partition(topic, 0): Commit(20, "")})
    first.close()
    asking = admin(kafka)
    asking.delete_topics([topic])
    deadline = time.monotonic() + 10
    while topic in asking.list_topics() and time.monotonic() < deadline:
        time.sleep(0.1)
    asking.close()
    time.sleep(1)  # the broker removes the old log before a topic of the same name may be made
    kafka.topic(1, name=topic)
    add_records(kafka, topic, 5)
    # Deleting a topic deletes the group's offsets for it; the committed one is put back, as by a broker that keeps them and has no topic IDs.
    keeping = KafkaConsumer(bootstrap_servers=kafka.servers, group_id=f"{topic}-g", enable_auto_commit=False)
    keeping.commit({TopicPartition(topic, 0): OffsetAndMetadata(20, "", 0)})
    keeping.close()
    third = member(topic, f"{topic}-g")
    with pytest.raises(SourceUnavailable, match=f"offset 20 of {topic}:0 lies past its end 5"):
        poll_until(third, lambda *_: False)


@pytest.fixture
def without_ids(monkeypatch):
    """The function that takes the topics' IDs from the metadata of all clients, as an answer of a broker that does not know a topic yet does."""
    return lambda: monkeypatch.setattr(ClusterMetadata, "topic_id", lambda *_: None)


def started(source):
    """Return the first `Assigned` of a member or of a replay."""
    events, _, _ = poll_until(source, lambda events, *_: any(isinstance(each, Assigned) for each in events))
    return next(each for each in events if isinstance(each, Assigned))


def ids_in_commits(kafka, topic, group):
    asking = KafkaConsumer(bootstrap_servers=kafka.servers, group_id=group, enable_auto_commit=False)
    try:
        return [
            CommitMetadata.decode(asking.committed(TopicPartition(topic, number), metadata=True).metadata).topic_id
            for number in sorted(asking.partitions_for_topic(topic))
        ]
    finally:
        asking.close()


def test_a_topic_whose_id_the_metadata_lacks_has_that_of_the_commits(kafka, member, without_ids):
    """Before, its records had another place: their dead letters were written again, and the next commits had no ID."""
    topic = kafka.topic(2)
    first = member(topic, f"{topic}-g")
    first_ids = started(first).topic_ids
    (known,) = first_ids.values()
    first.close()
    without_ids()
    second = member(topic, f"{topic}-g")
    assert started(second).topic_ids == first_ids
    assert second.commit({Partition(topic, number): Commit(0, "") for number in range(2)})
    assert ids_in_commits(kafka, topic, f"{topic}-g") == [known, known]


def test_a_topic_whose_id_the_metadata_lacks_at_a_rebalance_has_the_one_known_before(kafka, member, without_ids):
    """The commit has none: a version before KIP-516 made it, or a person."""
    topic = kafka.topic(1)
    first = member(topic, f"{topic}-g")
    first_ids = started(first).topic_ids
    first._client.rebalances.noted.append(Rebalance(OwnershipChange.GAINED, frozenset({Partition(topic, 0)})))
    first._client._consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(0, "", -1)})
    without_ids()
    assert started(first).topic_ids == first_ids


def test_a_replay_whose_topics_id_the_metadata_lacks_has_that_of_its_commits(kafka, member, without_ids):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    add_records(kafka, topic)

    def replay():
        ranges = FixedRanges({here: (2, 8)}, {} if kafka.committed(f"{topic}-r") else {here: Commit(2, "range")})
        settings = kafka.settings(topic, group=f"{topic}-r")
        return KafkaSource(settings, client_id="r", environment={}, ranges=ranges)

    first = replay()
    first_ids = started(first).topic_ids
    assert all(first_ids.values())
    first.close()
    without_ids()
    second = replay()
    try:
        assert started(second).topic_ids == first_ids
    finally:
        second.close()


def test_gaps_of_aborted_transactions_neither_stall_the_commit_nor_leave_lag(kafka, member):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    producer = KafkaProducer(bootstrap_servers=kafka.servers, transactional_id=f"{topic}-tx")
    producer.init_transactions()
    for aborted in (False, True):
        producer.begin_transaction()
        for number in range(5):
            producer.send(topic, paid(number))
        producer.flush()
        (producer.abort_transaction if aborted else producer.commit_transaction)()
    producer.close()
    end = kafka.ends(topic)[here]
    source = member(topic, f"{topic}-g")
    _, records, positions = poll_until(
        source, lambda _, records, positions: len(places(records)) == 5 and positions.get(here) == end
    )
    assert positions[here] == end > 10  # two markers and five aborted records beside the five
    assert source.lag() == {here: 0}
    assert source.commit({here: Commit(end, "")})


def test_partitions_that_go_are_committed_on_the_way_out(kafka, member):
    topic = kafka.topic(4)
    for number in range(4):
        add_records(kafka, topic, 10, partition=number)
    group = f"{topic}-g"
    first = member(topic, group)
    poll_until(first, lambda _, records, __: len(places(records)) == 40)
    committable = {Partition(topic, number): Commit(3 + number, f"books {number}") for number in range(4)}
    with older_member(kafka, topic, group):  # with it the round is eager: everything goes, and a part comes back
        events, _, _ = poll_until(
            first, lambda events, *_: any(isinstance(each, Assigned) for each in events), committable
        )
        assert isinstance(events[0], Revoked)
        kept = next(each.start for each in events if isinstance(each, Assigned))
        assert len(kept) == 2
        # Both go on from what was committed while the partitions were let go: the first member too, for those it got back.
        assert kept.items() <= committable.items()
        assert kafka.committed(group) == committable


def test_a_partition_given_back_is_read_from_its_commit_again(kafka, member):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    add_records(kafka, topic, 300)
    group = f"{topic}-g"
    first = member(topic, group, max_poll_records=100)
    poll_until(first, lambda _, records, __: len(places(records)) == 300)
    first.pauses.add(PauseReason.IN_FLIGHT, [here])
    with older_member(kafka, topic, group):
        # Revoked at position 300 with nothing finished, in an eager round.
        poll_until(first, lambda events, *_: any(isinstance(each, Revoked) for each in events))
    _, records, _ = poll_until(first, lambda _, records, __: len(records) >= 300)
    assert records[0].offset == 0


def test_a_commit_of_a_partition_that_went_to_another_is_not_taken_and_not_fatal(kafka, member):
    topic = kafka.topic(1)
    here = Partition(topic, 0)
    add_records(kafka, topic)
    first = member(topic, f"{topic}-g", max_poll_interval="10s")
    poll_until(first, lambda _, records, __: len(places(records)) == 10)
    assert first.commit({here: Commit(3, "books")})
    second = member(topic, f"{topic}-g")
    # The first does not poll: the group goes on without it, and the second begins where it stood.
    events, _, _ = poll_until(
        second, lambda events, *_: any(isinstance(each, Assigned) and each.start for each in events)
    )
    assert events[-1].start == {here: Commit(3, "books")}
    assert not first.commit({here: Commit(5, "")})
    second.close()
    events, records, _ = poll_until(first, lambda _, records, __: len(records) >= 7)
    assert isinstance(events[0], Revoked)
    assert events[-1].start == {here: Commit(3, "books")}
    assert records[0].offset == 3


def test_a_broker_restart_is_waited_out(tmp_path, stand_in, monkeypatch):
    from tests.support.jobs import RULES, Source
    from tests.support.kafka import TestKafka

    with EmbeddedBroker() as broker:
        kafka = TestKafka(broker.bootstrap_servers)
        made = Source(kafka, stand_in, tmp_path, kafka.topic(2), RULES)
        kafka.write(made.topic, [paid(number) for number in range(200)])
        with made.job() as job:

            def restart():
                broker.restart(at_once=True)
                kafka.write(made.topic, [paid(number) for number in range(200, 400)])
                deadline = time.monotonic() + 60
                while len(made.events()) < 400 and time.monotonic() < deadline:
                    time.sleep(0.1)
                time.sleep(1)
                job.runner.stop()

            thread = threading.Thread(target=restart)
            thread.start()
            status = job.runner.run()
            thread.join()
        status.total.check()
        assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(400)}
