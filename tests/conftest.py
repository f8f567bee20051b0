"""What the tests share: a real Kafka, the stand-in, and a source file's job run until something is so."""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pipeline.contracts.values import Partition
from pipeline.emulator.quick_audience.server import StandIn
from pipeline.errors import ComponentMissing
from tests.support.aot_cache import start_brokers_from_cache
from tests.support.jobs import RULES, Source
from tests.support.kafka import TestKafka
from tests.support.shared_broker import SharedBroker, shared_broker

# The profile decides how many examples a property test runs (see tests/support/examples.py); `--hypothesis-profile quick` chooses one.
# The speed of a machine says nothing about a property, so there is no deadline. `ci` takes the same examples each time, so more of them find nothing new.
for profile, number in {"quick": 5, "default": 100, "thorough": 1_000}.items():
    settings.register_profile(
        profile, settings(), deadline=None, max_examples=number, suppress_health_check=[HealthCheck.too_slow]
    )
CI = {"derandomize": True, "database": None, "print_blob": True}
settings.register_profile("ci", settings.get_profile("default"), max_examples=60, **CI)
settings.load_profile("ci" if os.environ.get("CI") else "default")

INTEGRATION = Path(__file__).parent / "integration"

BROKER = pytest.StashKey[SharedBroker]()
"""Of the process that runs the tests, or controls those that do."""


def pytest_configure(config):
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # begun in the background by a shell: commands would not hear Ctrl-C either
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.stash[BROKER] = SharedBroker()
    start_brokers_from_cache()


def pytest_unconfigure(config):
    if BROKER in config.stash:
        config.stash[BROKER].stop()


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_configure_node(node):
    node.workerinput["broker"] = node.config.stash[BROKER].address


def pytest_collection_modifyitems(items):
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")
    items[:] = spread(items)


def spread(items):
    """Return the tests with the files that wait most of their time between the others, which compute.

    Each process begins with a part of the list. So no process has most of the waiting, and the processors are busy meanwhile.
    """
    files = [list(of_one) for _, of_one in groupby(items, key=attrgetter("path"))]
    waiting = deque(file for file in files if file[0].path.is_relative_to(INTEGRATION))
    computing = [file for file in files if not file[0].path.is_relative_to(INTEGRATION)]
    every, count, ordered = sum(map(len, computing)) / (len(waiting) + 1), 0, []
    for file in computing:
        ordered += file
        count += len(file)
        while waiting and count >= every:
            count -= every
            ordered += waiting.popleft()
    return ordered + [item for file in waiting for item in file]


def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # thousands of tests stay to the end: looking through them again and again took a twentieth of the time


@pytest.fixture(scope="session")
def kafka(request):
    if servers := os.environ.get("LOG2MQ_TEST_KAFKA"):
        return TestKafka(servers)
    config = request.config
    address = config.workerinput["broker"] if hasattr(config, "workerinput") else config.stash[BROKER].address
    try:
        return TestKafka(shared_broker(address))
    except ComponentMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"the real-Kafka tests are required here: {missing}")
        pytest.skip(f"no Kafka: {missing}")


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
