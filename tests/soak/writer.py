"""Writes the lines of the workload to the source's topic, at a steady rate, with a client that is not the job's."""

from __future__ import annotations

import threading
import time

from confluent_kafka import KafkaError, Message, Producer

from tests.soak.background import Background
from tests.soak.cluster import SOURCE_TOPIC, Cluster
from tests.soak.workload import Workload

TICK_S = 0.1
NEW_PARTITION_S = 3.0
"""The writer uses a new partition so long after it was added: its metadata may be older."""


class Writer:
    """A thread that writes. The topic is the truth of what was written: a line that the broker never took is not there."""

    def __init__(self, cluster: Cluster, seed: int, rate: int) -> None:
        self._cluster = cluster
        self._workload = Workload(seed)
        self._rate = rate
        self._ended = threading.Event()
        self._thread = Background("writer", self._write)
        self._partitions = cluster.partitions
        self._grown_s = 0.0
        self._latest_ms = 0
        self.is_calm = False
        """Whether lines that must become dead letters are left out."""
        self.failed = 0
        self.refused: set[tuple[int, int]] = set()
        """The places of the lines that must become dead letters, as the broker acknowledged them."""

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write nothing more, and wait until the broker has everything."""
        self._ended.set()
        self._thread.finish(120)

    def _write(self) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self._cluster.direct,
                "enable.idempotence": True,
                "linger.ms": 20,
                "message.timeout.ms": 300_000,
                "topic.metadata.refresh.interval.ms": 1_000,
                "log_level": 0,
            }
        )
        due_s = time.monotonic()
        carry = 0.0
        while not self._ended.wait(max(0.0, due_s - time.monotonic())):
            due_s += TICK_S
            carry += self._rate * TICK_S
            count, carry = int(carry), carry % 1
            self._follow_partitions()
            for line in self._workload.take(count):
                if self.is_calm and line.kind.is_refused:
                    continue
                self._latest_ms = max(self._latest_ms + 1, time.time_ns() // 1_000_000)
                producer.produce(
                    SOURCE_TOPIC,
                    value=line.value,
                    key=line.key,
                    partition=line.partition(self._partitions),
                    timestamp=self._latest_ms,
                    on_delivery=self._note_refused if line.kind.is_refused else self._note,
                )
            producer.poll(0)
        producer.flush(110)

    def _follow_partitions(self) -> None:
        """Use a new partition some seconds after it was added."""
        if self._cluster.partitions == self._partitions:
            self._grown_s = time.monotonic()
        elif time.monotonic() - self._grown_s > NEW_PARTITION_S:
            self._partitions = self._cluster.partitions

    def _note(self, error: KafkaError | None, _message: Message) -> None:
        self.failed += error is not None

    def _note_refused(self, error: KafkaError | None, message: Message) -> None:
        self._note(error, message)
        if error is None:
            self.refused.add((message.partition() or 0, message.offset() or 0))
