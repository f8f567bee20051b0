"""Avro from a real Kafka, with a Schema Registry that goes away and comes back."""

from __future__ import annotations

import io
import json
import threading
import time

import fastavro
import pytest
from click.testing import CliRunner

from pipeline.cli.main import cli
from pipeline.emulator.schema_registry.schemas import Registry
from pipeline.emulator.schema_registry.server import StandInRegistry
from pipeline.errors import RegistryUnavailable, UsageError
from pipeline.job.replay_range import FROM_NAMES, TO_NAMES, Bound, plan
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.runtime.build import Hooks, now_ms
from pipeline.runtime.replay_job import ReplayJob
from schemas.refusal import ReasonCode

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def schema(name, *more):
    fields = [("type", "string"), ("ts", "long"), ("user", "string"), ("no", "string"), *more]
    return json.dumps(
        {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields]}
    )


FIRST, SECOND = (
    schema("Paid"),
    schema("Paid", ("amount", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})),
)


def paid(number, schema_id=1, text=FIRST):
    stream = io.BytesIO()
    value = {"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}", "amount": b"\x30\x0c"}
    bare = {
        "type": "record",
        "name": "Paid",
        "fields": [
            {**each, "type": "bytes" if each["name"] == "amount" else each["type"]}
            for each in json.loads(text)["fields"]
        ],
    }
    fastavro.schemaless_writer(stream, bare, value)
    return b"\x00" + schema_id.to_bytes(4) + stream.getvalue()


class Place:
    """A registry that keeps its address and its schemas while it is away."""

    def __init__(self):
        self.registry = Registry()
        self.registry.register("paid", FIRST)
        self.serving = StandInRegistry(registry=self.registry)
        self.url = self.serving.url
        self.port = int(self.url.rpartition(":")[2])
        self.serving.__enter__()

    def leave(self):
        if self.serving is not None:
            self.serving.__exit__(None, None, None)
        self.serving = None

    def come_back(self):
        self.serving = StandInRegistry(port=self.port, registry=self.registry).__enter__()


@pytest.fixture
def place():
    made = Place()
    yield made
    made.leave()


@pytest.fixture
def avro_source(source, place):
    def make(partitions=1, **more):
        registry = {"url": place.url, "unknown_after": "200ms", **more}
        return source(partitions=partitions, decode={"format": "avro", "registry": json.dumps(registry)})

    return make


def test_a_registry_that_is_away_holds_its_partition_makes_no_dead_letter_and_others_go_on(avro_source, kafka, place):
    made = avro_source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(50)], partition=0)
    second_id = place.registry.register("paid", SECOND)
    held, went_on = [], []

    def watch(status):
        if "does not answer" in status.held and not held:
            # Away by now, with an unknown schema in the one partition: the other's schema is remembered.
            held.append(status.held)
            kafka.write(made.topic, [paid(number) for number in range(200, 220)], partition=0)
        if held and status.total.reported == 70 and not went_on:
            went_on.append(status)
            place.come_back()

    with made.job(on_status=watch) as job:
        running = threading.Thread(target=job.runner.run, daemon=True)
        running.start()
        wait_until(lambda: len(made.events()) == 50)
        place.leave()
        kafka.write(made.topic, [paid(number, second_id, SECOND) for number in range(100, 130)], partition=1)
        wait_until(lambda: len(made.events()) == 100)
        job.runner.stop()
        running.join(30)
        total = job.runner.status().total
    total.check()
    went_on[0].total.check()
    assert (went_on[0].total.read, went_on[0].total.in_flight) == (70, 0)
    assert (total.read, total.reported, total.dead_lettered) == (100, 100, 0)
    assert set(made.events().values()) == {1}
    assert kafka.read(made.dead) == []


def test_a_registry_that_stays_away_stops_the_job_and_nothing_is_lost(avro_source, kafka, place):
    made = avro_source(give_up_after="1s")
    kafka.write(made.topic, [paid(number) for number in range(10)])
    place.leave()
    with made.job() as job, pytest.raises(RegistryUnavailable, match="does not answer") as stopped:
        job.runner.run()
    assert stopped.value.exit_code == 10
    assert job.runner.status().total.read == 0
    assert kafka.read(made.dead) == []
    place.come_back()
    made.kafka = _Without(kafka, made.dead)
    made.run_to_end()
    assert len(made.events()) == 10


def test_an_unknown_schema_is_a_dead_letter_after_a_while_and_what_follows_is_read(avro_source, kafka):
    made = avro_source()
    kafka.write(made.topic, [paid(1), paid(2, schema_id=77), b"no Avro at all", paid(3)])
    status = made.run_to_end()
    assert (status.total.reported, status.total.dead_lettered) == (2, 2)
    reasons = {dict(each.headers)["log2mq-reason"].decode() for each in kafka.read(made.dead)}
    assert reasons == {ReasonCode.SCHEMA_UNKNOWN, ReasonCode.NOT_AVRO}


def test_a_replay_reads_its_range_to_the_end_though_a_schema_is_asked_for_at_its_last_record(avro_source, kafka, place):
    made = avro_source()
    second_id = place.registry.register("paid", SECOND)
    kafka.write(made.topic, [*(paid(number) for number in range(5)), paid(9, second_id, SECOND)])
    kafka.topic(name=made.dead)
    settings = made.load()
    with KafkaAdmin(settings.kafka, KEYS) as topics:
        bounds = Bound.parse("earliest", now_ms(), FROM_NAMES), Bound.parse("now", now_ms(), TO_NAMES)
        todo = plan(f"{made.group}-replay", *bounds, topics.partitions(), topics, {})
    with ReplayJob(settings, KEYS, Hooks(), todo, {}) as job:
        total = job.runner.run().total
    assert (total.read, total.reported) == (6, 6)
    assert set(made.events()) == {("pay_order", f"n{number}") for number in (0, 1, 2, 3, 4, 9)}


class _Without:
    """The same Kafka, whose dead-letter topic is there already."""

    def __init__(self, kafka, dead):
        self._kafka, self._dead = kafka, dead

    def __getattr__(self, name):
        return getattr(self._kafka, name)

    def topic(self, partitions=1, name=None, **config):
        return name if name == self._dead else self._kafka.topic(partitions, name, **config)


def wait_until(condition, limit_s=180):
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not so within {limit_s} s")


def test_init_proposes_a_source_file_from_a_topic_of_avro(avro_source, kafka, place, tmp_path):
    made = avro_source()
    kafka.write(made.topic, [paid(number) for number in range(50)])
    made.save()
    path = tmp_path / "paid.yaml"
    asked = ["init", str(path), "--topic", made.topic, "--like", str(made.path)]
    refused = CliRunner().invoke(cli, asked)
    assert isinstance(refused.exception, UsageError)
    assert "expected --registry URL" in str(refused.exception)
    done = CliRunner().invoke(cli, [*asked, "--registry", place.url])
    assert done.exit_code == 0, done.output
    assert "50 records, avro, 100% of them read" in done.output
    assert f'decode: {{format: avro, registry: "{place.url}"}}' in path.read_text()
