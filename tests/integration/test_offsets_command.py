"""`log2mq offsets`: the committed offsets are shown, and set while no job runs; what stands beside them in the commits stays."""

from __future__ import annotations

import json

import pytest
from kafka import KafkaAdminClient, TopicPartition

from pipeline.contracts.values import Partition
from pipeline.errors import UsageError
from pipeline.kafka_io.group_offsets import GroupOffsets
from tests.support.jobs import command


def paid(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


def offsets(made, *words, code=0):
    action, *options = words
    made.save()
    found, text = command("offsets", action, made.path, *options)
    assert found == code, text
    return text


def row(text, name):
    (found,) = [line.split() for line in text.splitlines() if line.split()[:1] == [name]]
    return found[1:]


@pytest.fixture
def ran(source, kafka):
    """A source of two partitions whose job has finished ten records of the first one."""
    made = source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(10)], partition=0)
    made.run_to_end()
    return made


def test_show_shows_what_is_there_and_where_a_time_lies(ran, kafka):
    kafka.write(ran.topic, [paid(number) for number in range(10, 13)], partition=0)
    text = offsets(ran, "show", "--at", "1h")
    assert row(text, f"{ran.topic}:0") == ["0", "10", "13", "0"]
    assert row(text, f"{ran.topic}:1")[0] == "0"
    assert f"{ran.topic}:1" not in offsets(ran, "show", "--partitions", "0")


def test_nothing_is_set_without_execute(ran, kafka):
    before = kafka.committed(ran.group)
    text = offsets(ran, "set", "--to", "4")
    assert row(text, f"{ran.topic}:0") == ["10", "4", "6", "0"]
    assert "6 offsets are read again" in text
    assert "nothing is changed" in text
    assert kafka.committed(ran.group) == before


def test_what_is_read_again_is_recognised_and_the_books_go_on(ran, kafka):
    before = kafka.committed(ran.group)[Partition(ran.topic, 0)]
    offsets(ran, "set", "--to", "earliest", "--execute")
    after = kafka.committed(ran.group)[Partition(ran.topic, 0)]
    assert (after.offset, after.metadata) == (0, before.metadata)  # with the identity of the store
    ended = ran.run_to_end()
    assert (ended.total.read, ended.total.duplicate, ended.total.reported) == (10, 10, 0)
    assert set(ran.events().values()) == {1}
    code, text = command("status", ran.path, "--json")
    assert code == 0
    books = json.loads(text)["total"]["books"]
    assert (books["read"], books["reported"], books["duplicate"]) == (20, 10, 10)


def test_what_is_passed_over_is_said_and_not_reported(ran, kafka):
    kafka.write(ran.topic, [paid(number) for number in range(10, 20)], partition=0)
    text = offsets(ran, "set", "--to", "15", "--partitions", "0", "--execute")
    assert row(text, f"{ran.topic}:0") == ["10", "15", "0", "5"]
    assert "5 offsets are passed over: their records are reported only if you replay them" in text
    ran.run_to_end()
    assert len(ran.events()) == 15


def test_an_offset_that_is_not_there_becomes_the_nearest_one(ran, kafka):
    assert row(offsets(ran, "set", "--to", "1000"), f"{ran.topic}:0") == ["10", "10", "0", "0"]
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as asking:
        asking.delete_records({TopicPartition(ran.topic, 0): 3})
    assert row(offsets(ran, "set", "--to", "0"), f"{ran.topic}:0") == ["10", "3", "7", "0"]


def test_a_group_that_has_committed_nothing_begins_where_it_is_set(source, kafka):
    made = source()
    kafka.write(made.topic, [paid(number) for number in range(8)])
    text = offsets(made, "set", "--to", "5", "--execute")
    assert row(text, f"{made.topic}:0") == ["none", "5", "0", "5"]
    made.run_to_end()
    assert {biz for _, biz in made.events()} == {"n5", "n6", "n7"}


def test_a_partition_that_is_added_later_is_read_from_its_beginning(source, kafka):
    """The group has the number of partitions in its commits, which tells which of them are new."""
    made = source(kafka={"start": "latest", "metadata_max_age": "1s"})
    kafka.write(made.topic, [paid(0)])
    offsets(made, "set", "--to", "latest", "--execute")
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as asking:
        asking.create_partitions({made.topic: 2})
    kafka.write(made.topic, [paid(1)], partition=1)
    made.run_until(made.events)
    assert {biz for _, biz in made.events()} == {"n1"}


def test_offsets_are_not_set_under_a_running_job(ran, kafka):
    refused = []
    settings = ran.load().kafka

    def is_refused():
        if refused or not kafka.shares(ran.group):
            return bool(refused)
        with GroupOffsets(settings, {}) as topics:
            for attempt in (
                lambda: topics.require_no_members(settings.group),
                lambda: topics.set_offsets(settings.group, {Partition(ran.topic, 0): 0}),
            ):
                with pytest.raises(UsageError) as error:
                    attempt()
                refused.append(str(error.value))
        return True

    ran.run_until(is_refused)
    assert "has 1 member; expected none: stop the job" in refused[0]
    assert "a member that has just joined" in refused[1]
    assert kafka.committed(ran.group)[Partition(ran.topic, 0)].offset == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "--to", "tomorrow"], "--to: found 'tomorrow'; expected an offset such as 1200"),
        (["show", "--at", "now"], "--at: found 'now'; expected an offset such as 1200"),
        (["set", "--to", "1", "--partitions", "7"], "--partitions: found '7'; expected some of"),
    ],
)
def test_wrong_words_are_said(ran, words, said):
    assert said in offsets(ran, *words, code=2)
