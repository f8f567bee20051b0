"""What the demo runs on where a real Kafka cannot be fetched: the mock cluster in librdkafka.

It speaks enough of the protocol for producers and consumer groups, in this process and on loopback, and keeps records in memory. It is
no Kafka: no admin calls, no retention, no transactions. It serves kafka-python only where that takes it for a broker of API_VERSION.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from pipeline.errors import ComponentMissing

API_VERSION = "2.3"
MOST_MEMBERS = 1
"""Of a group that is sure to settle: the second one's SyncGroup is refused when the leader's came first."""

ANSWER_LIMIT_S = 10.0


class MockCluster:
    """A context manager; the cluster lives as long."""

    def __init__(self) -> None:
        self._host: Any = None  # the client that holds the cluster
        self.bootstrap_servers = ""

    def __enter__(self) -> Self:
        try:
            from confluent_kafka import KafkaException, Producer  # noqa: PLC0415 - of the extra `demo`
        except ImportError:
            raise ComponentMissing("confluent-kafka is not installed; pip install 'log2mq[demo]'") from None
        try:
            self._host = Producer({"test.mock.num.brokers": 1, "log_level": 3})
            brokers = self._host.list_topics(timeout=ANSWER_LIMIT_S).brokers.values()
        except KafkaException as error:
            raise ComponentMissing(f"the mock cluster of librdkafka does not start ({error})") from None
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._host = None

    def create(self, topic: str) -> None:
        """Make a topic of four partitions: the cluster does at the first question for it."""
        self._host.list_topics(topic, timeout=ANSWER_LIMIT_S)
