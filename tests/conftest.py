"""What the tests share: a real Kafka, the stand-in, and a source file's job run until something is so."""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, settings

from pipeline.build import Hooks, Job
from pipeline.config.kafka_settings import KafkaSettings
from pipeline.config.load import load_source
from pipeline.emulator.broker import EmbeddedBroker
from pipeline.emulator.server import StandIn
from pipeline.errors import ComponentMissing
from pipeline.kafka_producer import KafkaWriter
from pipeline.kafka_topics import Topics
from pipeline.values import Partition

# How fast a machine is says nothing about a property. Under CI hypothesis takes the same examples each time by itself.
settings.register_profile("log2mq", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("log2mq")

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def pytest_collection_modifyitems(items):
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")


class TestKafka:
    """A real broker, and what a test does with it."""

    __test__ = False

    def __init__(self, servers):
        self.servers = servers

    def settings(self, *topics, **more):
        return KafkaSettings(bootstrap_servers=(self.servers,), topics=topics or ("none",), **more)

    def topic(self, partitions=1, name=None, **config):
        name = name or f"t-{uuid.uuid4().hex[:10]}"
        with Topics(self.settings(), {}) as topics:
            topics.create(name, partitions, {key.replace("_", "."): str(value) for key, value in config.items()})
        return name

    def write(self, topic, values, partition=None, key=None, headers=()):
        with KafkaWriter(self.settings(), client_id="test", environment={}) as writer:
            pairs = [each if isinstance(each, tuple) else (key, each) for each in values]
            return writer.write(topic, pairs, partition=partition, headers=headers)

    def read(self, topic):
        """All records of a topic."""
        with Topics(self.settings(topic), {}) as topics:
            partitions = topics.partitions()
            starts, ends = topics.beginning_offsets(partitions), topics.end_offsets(partitions)
            return [topics.record_at(each, offset) for each in partitions for offset in range(starts[each], ends[each])]

    def committed(self, group):
        with Topics(self.settings(), {}) as topics:
            return topics.committed(group)

    def ends(self, topic):
        with Topics(self.settings(topic), {}) as topics:
            return topics.end_offsets(topics.partitions())


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


def wait_for(condition, what, limit_s=60):
    """Wait until a condition holds; `what` is told where it does not."""
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, f"waited {limit_s} s for {what}"
        time.sleep(0.1)


RULES = """
events:
  - when: {type: paid}
    event_code: pay_order
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes: {amount: $.amount, note: $.note}
users:
  - when: {type: register}
    customer_id: $.user
    identities: {mobile: $.phone}
"""


class Source:
    """A source file in a folder of its own, its topics, and its job."""

    def __init__(self, kafka, stand_in, folder, topic, rules, /, **sections):
        self.kafka, self.stand_in, self.folder, self.topic = kafka, stand_in, folder, topic
        self.name = f"s-{uuid.uuid4().hex[:8]}"
        self.dead = f"{self.name}-dead"
        self.url = stand_in.url
        self.sections = {
            "kafka": {"session_timeout": "6s"},
            "dedup": {"path": str(folder / "dedup"), "lease": "3s"},
            "report": {"batch": "{events: 100, age: 50ms}", "backoff": "{first: 20ms, most: 200ms}"},
            "dead_letters": {"stop_above": "100%"},
            "commit": {"every": "100ms"},
        }
        for section, keys in sections.items():
            self.sections.setdefault(section, {}).update(keys)
        self.rules = rules
        self.path = folder / f"{self.name}.yaml"

    @property
    def group(self):
        return f"log2mq-{self.name}"

    def save(self):
        fixed = {
            "kafka": {"bootstrap_servers": self.kafka.servers, "topics": f"[{self.topic}]"},
            "report": {"endpoint": self.url, "organization_id": "org-0001", "access_id": "retailadvqa-cn-test"},
        }
        lines = [f"source: {self.name}"]
        if "decode" not in self.sections:
            lines.append("decode: json")
        for section in {**fixed, **self.sections}:
            lines.append(f"{section}:")
            lines += [
                f"  {key}: {value}"
                for key, value in {**fixed.get(section, {}), **self.sections.get(section, {})}.items()
            ]
        self.path.write_text("\n".join(lines) + "\n" + self.rules)
        return self.path

    def load(self):
        return load_source(self.save(), KEYS)

    @contextmanager
    def job(self, **hooks):
        self.kafka.topic(name=self.dead)
        with Job(self.load(), KEYS, Hooks(**hooks)) as job:
            yield job

    def run_until(self, condition, limit_s=40):
        """Run the job in this thread until a condition holds, then stop it in good order; return its last status."""
        with self.job() as job:
            watcher = threading.Thread(target=_stop_when, args=(job.runner, condition, limit_s), daemon=True)
            watcher.start()
            status = job.runner.run()
            watcher.join()
            assert condition(), f"not so within {limit_s} s; {status.total}"
            return status

    def run_to_end(self, limit_s=40):
        """Run until everything in the topic is finished and committed."""
        ends = {each: end for each, end in self.kafka.ends(self.topic).items() if end}
        return self.run_until(lambda: self.is_committed(ends), limit_s)

    def is_committed(self, ends):
        committed = self.kafka.committed(self.group)
        return all((commit := committed.get(each)) is not None and commit.offset >= end for each, end in ends.items())

    def committed(self):
        """The offsets that are committed, of all partitions together."""
        return sum(commit.offset for commit in self.kafka.committed(self.group).values())

    def events(self):
        """What the stand-in took: (event code, outBizId) to how often."""
        return {(code, biz): count for (_, code, biz), count in self.stand_in.ledger.events.items()}


def _stop_when(runner, condition, limit_s):
    until = time.monotonic() + limit_s
    try:
        while time.monotonic() < until and not condition():
            time.sleep(0.1)
    finally:
        runner.stop()


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
