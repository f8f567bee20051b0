"""Dead letters over a producer that takes them at some times only. `integration/test_places_that_fail.py` tests them on a real topic."""

from __future__ import annotations

import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import errors
from kafka.producer.record_accumulator import RecordAccumulator

from pipeline.contracts.values import Partition
from pipeline.errors import DeadLetterUnavailable
from pipeline.kafka_io import dead_letters as kafka_dead_letters
from pipeline.kafka_io.dead_letters import CUT_HEADER, CUTS, KafkaDeadLetters
from pipeline.kafka_io.settings import KafkaSettings
from schemas.log import RawRecord
from schemas.refusal import ReasonCode, Refusal, Stage

SETTINGS = KafkaSettings(bootstrap_servers="127.0.0.1:1", topics=("log",), give_up_after="60s")
REFUSAL = Refusal(Stage.DECODE, ReasonCode.NOT_JSON, "no JSON")


class Future:
    def __init__(self):
        self.callback = self.errback = None

    def add_callback(self, call):
        self.callback = call

    def add_errback(self, call):
        self.errback = call


class Producer:
    """The part of kafka-python's producer that is used, over a topic that exists or does not."""

    def __init__(self):
        self.is_there = True
        self.sent = []  # (future, value, headers) without an answer
        self.written = []  # (value, headers)
        self.closed = None

    def partitions_for(self, _topic):
        return {0}

    def send(self, _topic, *, value, key, headers):
        if not self.is_there:
            raise errors.KafkaTimeoutError("Failed to update metadata after 0.0 secs.")
        future = Future()
        self.sent.append((future, value, headers))
        return future

    def answer(self, error=None):
        """Acknowledge the oldest record, or let it fail."""
        future, value, headers = self.sent.pop(0)
        if error is None:
            self.written.append((value, headers))
            future.callback(None)
        else:
            future.errback(error)


class Clock:
    def __init__(self):
        self.now_s = 1_000.0

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


def record(offset, value=b"", partition=0):
    return RawRecord("log", partition, offset, 0, None, value or str(offset).encode())


@pytest.fixture
def topic():
    with Topic() as made:
        yield made


class Topic:
    """Dead letters, their producer, and the time."""

    def __enter__(self):
        self.producer, self.clock = Producer(), Clock()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(kafka_dead_letters, "time", self.clock)
        self.patch.setattr(kafka_dead_letters, "open_producer", self._open)
        self.patch.setattr(
            kafka_dead_letters,
            "close_producer",
            lambda producer, *_, at_once=False: setattr(producer, "closed", "at once" if at_once else "in order"),
        )
        self.letters = KafkaDeadLetters(
            SETTINGS, "dead", lambda *_: [("log2mq-reason", b"x")], client_id="test", environment={}
        )
        return self

    def __exit__(self, *_):
        self.patch.undo()

    def _open(self, *_, **chosen):
        self.chosen = chosen
        return self.producer

    def send(self, *offsets, **more):
        for each in offsets:
            self.letters.send(record(each, **more), REFUSAL)

    def later(self, seconds=0.2):
        self.clock.now_s += seconds
        return [each.offset for each in self.letters.durable()]


@given(seed=st.integers(0, 2**32), count=st.integers(1, 60), trouble=st.sampled_from([0.0, 0.3]))
def test_each_is_written_once_and_in_order_whenever_the_topic_is_there(seed, count, trouble):
    chance, left, durable = Random(seed), list(range(count)), []
    with Topic() as topic:
        producer = topic.producer
        while len(durable) < count:
            producer.is_there = chance.random() < 0.5
            if left and chance.random() < 0.5:
                topic.send(left.pop(0))
            while producer.sent and chance.random() < 0.5:
                producer.answer(errors.NotLeaderForPartitionError() if chance.random() < trouble else None)
            durable += topic.later()
        written = [int(value) for value, _ in producer.written]
        assert sorted(written) == sorted(durable) == list(range(count))
        if not trouble:
            assert written == durable == list(range(count))


def test_a_topic_that_is_away_is_said_and_so_is_its_return(topic, caplog):
    topic.producer.is_there = False
    topic.send(1, 2)
    assert topic.later(1) == []
    assert caplog.text == ""
    assert topic.later(5) == []
    assert topic.later(5) == []
    assert caplog.text.count("the dead-letter topic takes no records; the job keeps them for up to 60 s") == 1
    topic.producer.is_there = True
    assert topic.later() == []
    topic.producer.answer()
    topic.producer.answer()
    assert topic.later() == [1, 2]
    assert caplog.text.count("the dead-letter topic takes records again") == 1


def test_a_topic_that_stays_away_is_given_up(topic):
    topic.producer.is_there = False
    topic.send(1)
    assert topic.later(59) == []
    with pytest.raises(DeadLetterUnavailable, match="the dead-letter topic dead has taken no record for 60 s"):
        topic.later(2)


def test_a_dead_letter_that_the_producer_gave_up_is_not_sent_again(topic):
    """It may be written. Before, it was sent as a new record, and a topic that had stood still for two minutes had it twice."""
    topic.send(1, 2)
    topic.producer.answer(
        errors.KafkaTimeoutError("Expiring 1 record(s) for dead-0: 120000 ms has passed since batch creation")
    )
    topic.producer.answer()
    assert topic.later() == [2]
    for _ in range(2):
        with pytest.raises(DeadLetterUnavailable, match="has taken one of the records for 60 s") as raised:
            topic.later()
        assert raised.value.may_pass
    assert topic.producer.sent == []


@pytest.mark.parametrize("give_up_after", ["1s", "60s", "5m", "7d"])
def test_the_producer_goes_on_for_longer_than_the_job_waits(give_up_after, monkeypatch):
    """Then the job gives up first, and the producer, whose sequence numbers the brokers know, is the only one who sends a batch again."""
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:1", topics=("log",), give_up_after=give_up_after)
    monkeypatch.setattr(sys.modules[__name__], "SETTINGS", settings)
    with Topic() as topic:
        chosen = topic.chosen
        RecordAccumulator(**chosen)  # which checks how its limits go together
        assert chosen["delivery_timeout_ms"] >= settings.give_up_after + chosen["request_timeout_ms"]


def test_what_else_was_acknowledged_is_returned_before_a_refusal_is_raised(topic):
    topic.send(1, 2, 3)
    topic.producer.answer()
    topic.producer.answer(errors.TopicAuthorizationFailedError())
    topic.producer.answer()
    assert topic.later() == [1, 3]
    for _ in range(2):
        with pytest.raises(DeadLetterUnavailable, match="refuses records: TopicAuthorizationFailedError"):
            topic.later()


def test_what_is_neither_refused_nor_given_up_is_still_being_written(topic):
    assert not topic.letters.is_writing
    topic.send(1, 2)
    topic.producer.answer(errors.TopicAuthorizationFailedError())
    with pytest.raises(DeadLetterUnavailable):
        topic.later()
    assert topic.letters.is_writing
    topic.producer.answer()
    assert topic.later() == [2]
    assert not topic.letters.is_writing


def test_what_is_given_up_is_not_waited_for(topic):
    topic.send(1)
    with pytest.raises(DeadLetterUnavailable):
        topic.later(SETTINGS.give_up_after / 1000 + 1)
    assert not topic.letters.is_writing


def test_a_value_that_is_too_large_is_cut_until_it_fits_and_then_refused(topic):
    topic.send(1, value=b"v" * (2 << 20))
    for _ in CUTS:
        topic.producer.answer(errors.MessageSizeTooLargeError())
        assert topic.later() == []
    assert [(len(value), headers[-1]) for _, value, headers in topic.producer.sent] == [
        (0, (CUT_HEADER, str(2 << 20).encode()))
    ]
    topic.producer.answer(errors.MessageSizeTooLargeError())
    with pytest.raises(DeadLetterUnavailable):
        topic.later()


def test_what_was_not_handed_over_goes_with_its_partition(topic):
    topic.producer.is_there = False
    topic.send(1, partition=0)
    topic.send(2, partition=1)
    assert [each.offset for each in topic.letters.forget({Partition("log", 0)})] == [1]
    topic.producer.is_there = True
    topic.later()
    topic.producer.answer()
    assert topic.later() == [2]
    assert [value for value, _ in topic.producer.written] == [b"2"]
    assert topic.later(1_000) == []  # no dead letter counts as missing


@pytest.mark.parametrize(("acknowledged", "closed"), [(True, "in order"), (False, "at once")])
def test_closing_waits_for_no_dead_letter(topic, acknowledged, closed):
    topic.send(1)
    if acknowledged:
        topic.producer.answer()
        assert topic.later() == [1]
    began_s = topic.clock.now_s
    topic.letters.close()
    assert topic.clock.now_s == began_s
    assert topic.producer.closed == closed
