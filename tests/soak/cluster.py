"""The Kafka of a soak: the embedded broker behind a proxy, and questions to it that do not use the job's own client."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # the package exports them without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)

from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.errors import SourceUnavailable
from pipeline.job.books import Books, decode_books
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.settings import KafkaSettings
from tests.soak.evidence import CommitSnapshot, DeadLetter
from tests.soak.proxy import Proxy
from tests.support.dedup_stores import free_port

SOURCE_TOPIC = "soak-log"
DEAD_TOPIC = "soak-dead"
GROUP = "log2mq-soak"
ANSWER_S = 5.0
LARGEST_MESSAGE = 1 << 20


class TopicRecord(NamedTuple):
    """A record of a topic. `at_ms` is its Kafka timestamp in Unix ms."""

    partition: int
    offset: int
    at_ms: int
    value: bytes
    headers: Mapping[str, bytes]


class Cluster:
    """One broker with two listeners: the job reaches it through the proxy, the soak itself directly."""

    def __init__(self, folder: Path, partitions: int) -> None:
        direct, behind, controller = free_port(), free_port(), free_port()
        self.proxy = Proxy(behind)
        self.proxy.start()
        settings = {
            "listeners": f"PLAINTEXT://127.0.0.1:{direct},PROXIED://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{direct},PROXIED://127.0.0.1:{self.proxy.port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        }
        self.broker = EmbeddedBroker(port=direct, data=folder, settings=settings)
        self.direct = f"127.0.0.1:{direct}"
        self.partitions = partitions
        self._admin = AdminClient({"bootstrap.servers": self.direct, "log_level": 0})  # it connects when it is asked

    @property
    def servers(self) -> str:
        """The address for the job, through the proxy."""
        return f"127.0.0.1:{self.proxy.port}"

    def start(self) -> None:
        """Start the broker and create the topics."""
        self.broker.start()
        self._done(self._admin.create_topics([NewTopic(SOURCE_TOPIC, self.partitions, 1)]))
        self.create_dead_topic()

    def close(self) -> None:
        """Stop the broker and the proxy."""
        if self.broker.pid is not None:
            self.send_signal(signal.SIGCONT)
        self.broker.stop_process(at_once=True)
        self.proxy.close()

    def send_signal(self, number: signal.Signals) -> None:
        """Send the broker's process a signal."""
        assert self.broker.pid is not None
        os.kill(self.broker.pid, number)

    def create_dead_topic(self) -> None:
        """Create the dead-letter topic. The broker stamps its records: the job's clock may be wrong."""
        config = {"message.timestamp.type": "LogAppendTime"}
        self._retried(lambda: self._done(self._admin.create_topics([NewTopic(DEAD_TOPIC, 1, 1, config=config)])))

    def delete_dead_topic(self) -> None:
        """Delete the dead-letter topic."""
        self._done(self._admin.delete_topics([DEAD_TOPIC]))

    def limit_dead_letters(self, most_bytes: int) -> None:
        """Let the dead-letter topic refuse messages of more bytes."""
        entry = ConfigEntry("max.message.bytes", str(most_bytes), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, DEAD_TOPIC, incremental_configs=[entry])
        self._retried(lambda: self._done(self._admin.incremental_alter_configs([resource])))

    def add_partition(self) -> None:
        """Add one partition to the source's topic."""
        self._retried(
            lambda: self._done(self._admin.create_partitions([NewPartitions(SOURCE_TOPIC, self.partitions + 1)]))
        )
        self.partitions += 1

    def dead_letters(self) -> list[DeadLetter]:
        """Read the whole dead-letter topic."""
        letters = []
        for record in self.read(DEAD_TOPIC):
            headers = {name: value.decode() for name, value in record.headers.items()}
            place = int(headers["log2mq-partition"]), int(headers["log2mq-offset"])
            letters.append(DeadLetter(*place, record.at_ms, headers.get("log2mq-reason", "")))
        return letters

    def read(self, topic: str) -> Iterator[TopicRecord]:
        """Yield every record of a topic up to its present end."""
        consumer = self._consumer("log2mq-soak-reader")
        try:
            ends = self._ends(consumer, topic)
            left = {partition for partition, end in ends.items() if end}
            consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
            while left:
                for message in consumer.consume(10_000, timeout=ANSWER_S):
                    if message.error() is not None:
                        raise KafkaException(message.error())
                    record = TopicRecord(
                        message.partition() or 0,
                        message.offset() or 0,
                        message.timestamp()[1],
                        message.value() or b"",
                        dict(message.headers() or ()),  # type: ignore[arg-type] # a value is bytes where a program wrote it
                    )
                    yield record
                    if record.offset + 1 >= ends[record.partition]:
                        left.discard(record.partition)
        finally:
            consumer.close()

    def snapshots(self) -> Iterator[CommitSnapshot | None]:
        """Yield a snapshot of the commits whenever asked; None while the broker does not answer."""
        settings = KafkaSettings(bootstrap_servers=(self.direct,), topics=(SOURCE_TOPIC,))
        consumer = self._consumer("log2mq-soak-ends")
        try:
            while True:
                try:
                    # The commit metadata is read with kafka-python: confluent-kafka reads past its end.
                    with KafkaAdmin(settings, {}) as topics:
                        while True:
                            yield self._snapshot(consumer, topics)
                except (KafkaException, SourceUnavailable):
                    yield None
        finally:
            consumer.close()

    def snapshot(self) -> CommitSnapshot:
        """Return a snapshot, once the broker answers."""
        return next(snapshot for snapshot in self.snapshots() if snapshot is not None)

    def _snapshot(self, consumer: Consumer, topics: KafkaAdmin) -> CommitSnapshot:
        ends = self._ends(consumer, SOURCE_TOPIC)
        commits = topics.committed(GROUP)
        return CommitSnapshot(
            time.time_ns() // 1_000_000,
            {each.partition: commit.offset for each, commit in commits.items()},
            ends,
            {each.partition: Books.of(decode_books(commit.metadata)[0]).as_dict() for each, commit in commits.items()},
        )

    def _ends(self, consumer: Consumer, topic: str) -> dict[int, int]:
        known = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
        if known.error is not None:
            raise KafkaException(known.error)
        return {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_S, cached=False)[
                1
            ]
            for partition in known.partitions
        }

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.direct,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "allow.auto.create.topics": False,
                "log_level": 0,
            }
        )

    def _done(self, futures: Mapping[Any, Any]) -> None:
        for future in futures.values():
            future.result(30)

    def _retried(self, act: Callable[[], None]) -> None:
        """Do something again while the broker refuses it, at most 30 s: a topic that is being deleted cannot be created yet."""
        until_s = time.monotonic() + 30
        while time.monotonic() < until_s:
            with suppress(KafkaException):
                act()
                return
            time.sleep(0.2)
        act()
