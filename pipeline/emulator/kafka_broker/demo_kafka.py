"""The Kafka that the demo runs on: the embedded broker, or librdkafka's mock cluster where the broker cannot be fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.emulator.kafka_broker import mock_cluster
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.emulator.kafka_broker.mock_cluster import MockCluster
from pipeline.errors import ComponentMissing
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class DemoKafka:
    """A running Kafka. `create` makes a topic (name, partitions). `api_version` is the version to pin, if any. `workers` is how many may join one group."""

    bootstrap_servers: str
    create: Callable[[str, int], None]
    api_version: str | None = None
    workers: int = 2

    def settings(self, *topics: str) -> KafkaSettings:
        """Return the settings of a client for these topics."""
        return KafkaSettings(
            bootstrap_servers=tuple(self.bootstrap_servers.split(",")), topics=topics, api_version=self.api_version
        )

    def adapt(self, source: Path, folder: Path, hold: str) -> Path:
        """Return a copy of a source file in `folder` that runs on this Kafka, together with the files that share its stem.

        `hold` is its `report.unknown_hold`: how long a refused event is held where no other one is accepted.
        """
        for beside in source.parent.glob(f"{source.stem}.*"):
            shutil.copyfile(beside, folder / beside.name)
        added = {"report": f"unknown_hold: {hold}"}
        if self.api_version is not None:
            added["kafka"] = f'api_version: "{self.api_version}"'
        copy = folder / source.name
        text = copy.read_text(encoding="utf-8")
        for section, line in added.items():
            text = text.replace(f"\n{section}:\n", f"\n{section}:\n  {line}\n")
        copy.write_text(text, encoding="utf-8")
        return copy


@contextmanager
def demo_kafka(data: Path, cache: Path, report: Callable[[str], None]) -> Iterator[DemoKafka]:
    """Start a Kafka for the demo, and stop it at the end. `report` gets a sentence that says which Kafka it is.

    Raises:
        ComponentMissing: neither the broker nor the mock cluster can be started.
    """
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(EmbeddedBroker(data=data, cache=cache))
        except ComponentMissing as missing:
            report(f"no real Kafka: {missing}")
            cluster = stack.enter_context(MockCluster())
            report(
                f"instead, the mock cluster of librdkafka is up at {cluster.bootstrap_servers}: the job is the real one, the broker is not"
            )
            yield DemoKafka(
                cluster.bootstrap_servers,
                lambda topic, _partitions: cluster.create(topic),
                mock_cluster.API_VERSION,
                mock_cluster.MOST_MEMBERS,
            )
            return
        report(f"a real Kafka is up at {broker.bootstrap_servers} (Apache Kafka 4.1, one broker)")

        def create(topic: str, partitions: int) -> None:
            with KafkaAdmin(kafka.settings(topic), os.environ) as topics:
                topics.create(topic, partitions)

        kafka = DemoKafka(broker.bootstrap_servers, create)
        yield kafka
