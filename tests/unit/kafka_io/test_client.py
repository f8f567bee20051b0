"""The first connection of a running job: how long the job tries, and which errors end it early."""

from __future__ import annotations

import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import errors

from pipeline.errors import SourceUnavailable
from pipeline.kafka_io import client as kafka_client
from pipeline.kafka_io.client import connect_with_retries, unavailable
from pipeline.kafka_io.consumer import open_consumer
from pipeline.kafka_io.producer import open_producer
from pipeline.kafka_io.settings import KafkaSettings


def settings(**more):
    return KafkaSettings(bootstrap_servers="127.0.0.1:1", topics=("log",), group="g", **more)


class Clock:
    """The time as `kafka_client` sees it: only connecting and sleeping take any."""

    def __init__(self):
        self.now_s = 100.0

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(kafka_client, "time", made)
    return made


def away(doing="connecting"):
    return unavailable(settings(), errors.KafkaTimeoutError(), doing)


@given(
    connect_ms=st.integers(1_000, 30_000),
    give_up_ms=st.integers(1_000, 300_000),
    back_after_s=st.one_of(st.just(float("inf")), st.integers(0, 400_000).map(lambda ms: ms / 1000)),
)
def test_a_job_connects_once_a_broker_is_back_or_gives_up_in_time(connect_ms, give_up_ms, back_after_s):
    clock, limits = Clock(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kafka_client, "time", clock)

        def connect(limit_ms):
            limits.append(limit_ms)
            if clock.now_s + limit_ms / 1000 >= 100 + back_after_s:
                clock.now_s = max(clock.now_s, 100 + back_after_s)
                return "connected"
            clock.now_s += limit_ms / 1000
            raise away()

        asked = settings(connect_timeout=f"{connect_ms}ms", give_up_after=f"{give_up_ms}ms")
        try:
            outcome = connect_with_retries(asked, connect)
        except SourceUnavailable:
            outcome = "given up"
    took_s, give_up_s, slack_s = clock.now_s - 100, give_up_ms / 1000, kafka_client.RETRY_PAUSE_S + 0.01
    assert took_s <= give_up_s + slack_s
    assert max(limits) <= connect_ms
    if outcome == "connected":
        assert back_after_s - 0.01 <= took_s <= back_after_s + slack_s
    else:
        assert took_s >= give_up_s - 0.01
        assert back_after_s > give_up_s - slack_s


def test_what_waiting_does_not_mend_ends_it_at_once(clock):
    tries = []

    def connect(_limit_ms):
        tries.append(1)
        raise unavailable(settings(), errors.SaslAuthenticationFailedError(), "connecting")

    with pytest.raises(SourceUnavailable, match="the login is refused"):
        connect_with_retries(settings(), connect)
    assert (len(tries), clock.now_s) == (1, 100.0)


def test_a_topic_that_is_not_there_ends_it_at_once(clock):
    def connect(_limit_ms):
        raise SourceUnavailable("the topic log does not exist")

    with pytest.raises(SourceUnavailable, match="does not exist"):
        connect_with_retries(settings(), connect)
    assert clock.now_s == 100.0


def test_why_and_for_how_long_it_is_tried_is_said_and_when_it_is_over(clock, caplog):
    reasons = [away(), away(), unavailable(settings(), errors.NotCoordinatorError(), "looking for the topics")]

    def connect(_limit_ms):
        if reasons:
            raise reasons.pop(0)
        return "connected"

    with caplog.at_level(logging.WARNING):
        assert connect_with_retries(settings(give_up_after="2m"), connect) == "connected"
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka at 127.0.0.1:1, connecting: no broker answers; see kafka.bootstrap_servers and kafka.security; trying for 120 s; 127.0.0.1:1 refuses the connection: nothing listens there",
        "Kafka at 127.0.0.1:1, looking for the topics: NotCoordinatorError; trying for 120 s; 127.0.0.1:1 refuses the connection: nothing listens there",
        "the brokers answer",
    ]


def test_a_first_try_that_takes_long_is_said_while_it_lasts(caplog, monkeypatch):
    monkeypatch.setattr(kafka_client, "LOG_AFTER_S", 0.01)
    said = threading.Event()
    monkeypatch.setattr(kafka_client, "log_event", lambda *_, **__: said.set())
    assert connect_with_retries(settings(), lambda _limit_ms: said.wait(30)) is True


@pytest.mark.parametrize("open_client", [open_consumer, open_producer])
def test_a_client_that_finds_no_broker_leaves_nothing_open(open_client):
    before = set(threading.enumerate())
    for _ in range(3):
        with pytest.raises(SourceUnavailable, match="no broker answers"):
            open_client(settings(), {}, "test", 100)
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (errors.FencedInstanceIdError, "another process has joined the group g with the same kafka.instance_id"),
        (errors.InconsistentGroupProtocolError, "set kafka.group to a name that no other program uses"),
        (errors.InvalidSessionTimeoutError, "the brokers do not allow kafka.session_timeout"),
        (errors.GroupMaxSizeReachedError, "the group g has as many members as the brokers allow"),
    ],
)
def test_a_group_that_takes_no_member_ends_the_job_at_once_with_a_sentence(error, sentence):
    made = unavailable(settings(), error(), "reading")
    assert sentence in str(made)
    assert not made.may_pass
