"""What the tests share: a real Kafka, the stand-in, and a source file's job run until something is so."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from pipeline.contracts.values import Partition
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.emulator.quick_audience.server import StandIn
from pipeline.errors import ComponentMissing
from tests.support.jobs import RULES, Source
from tests.support.kafka import TestKafka

# How fast a machine is says nothing about a property. Under CI hypothesis takes the same examples each time by itself.
settings.register_profile("log2mq", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("log2mq")


def pytest_collection_modifyitems(items):
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")


@pytest.fixture(scope="session")
def kafka():
    if servers := os.environ.get("LOG2MQ_TEST_KAFKA"):
        yield TestKafka(servers)
        return
    try:
        broker = EmbeddedBroker(
            settings={"log.retention.check.interval.ms": "500", "log.cleaner.backoff.ms": "500"}
        ).start()
    except ComponentMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"the real-Kafka tests are required here: {missing}")
        pytest.skip(f"no Kafka: {missing}")
    yield TestKafka(broker.bootstrap_servers)
    broker.stop()


@pytest.fixture
def stand_in():
    with StandIn() as serving:
        yield serving


@pytest.fixture
def source(kafka, stand_in, tmp_path):
    """Make a source over a new topic."""

    def make(partitions=1, rules=RULES, topic=None, **sections):
        return Source(kafka, stand_in, tmp_path, topic or kafka.topic(partitions), rules, **sections)

    return make


@pytest.fixture
def here():
    """The one partition of a source's topic."""
    return lambda made, number=0: Partition(made.topic, number)
