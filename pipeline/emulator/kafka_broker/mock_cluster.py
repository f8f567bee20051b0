"""The mock cluster of librdkafka. The demo runs on it where a real Kafka cannot be fetched.

It runs in this process, on loopback, and keeps records in memory. It implements the part of the protocol that producers and consumer groups need; admin
calls, retention and transactions are missing. kafka-python works with it only if its `api_version` is API_VERSION.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from pipeline.errors import ComponentMissing

API_VERSION = "2.3"
MOST_MEMBERS = 1
"""The largest group whose rebalance surely ends: the cluster refuses the second member's SyncGroup if the leader's came first."""

ANSWER_LIMIT_S = 10.0


class MockCluster:
    """A context manager. The cluster exists inside the block."""

    def __init__(self) -> None:
        self._host: Any = None  # the client that holds the cluster
        self.bootstrap_servers = ""

    def __enter__(self) -> Self:
        try:
            from confluent_kafka import KafkaException, Producer  # noqa: PLC0415 - part of the extra `demo`
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
        """Create a topic of four partitions. The cluster creates it when its metadata is requested."""
        self._host.list_topics(topic, timeout=ANSWER_LIMIT_S)
