"""The demo's logs: the sample records of three sources, the last of them written while the jobs run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from itertools import islice

from pipeline.emulator.kafka_broker.demo_kafka import DemoKafka
from pipeline.emulator.samples.generate import ExpectedBooks, SampleKind, generate
from pipeline.kafka_io.producer import KafkaWriter

COUNTS: Mapping[SampleKind, int] = {
    SampleKind.SHOP_APP: 30_000,
    SampleKind.H5_ACCESS: 15_000,
    SampleKind.CRM_LINES: 6_000,
}
"""Raw records by source: 51,000 in all."""

LATER = 20
"""One in so many records is kept for `go_on`."""

PARTITIONS = 4
SEED = 2026


class DemoLogs:
    """Writes each log to its topic, which it creates together with the topic of the dead letters."""

    def __init__(self, kafka: DemoKafka) -> None:
        self._kafka = kafka
        self._samples = {kind: generate(kind, count, SEED) for kind, count in COUNTS.items()}

    def begin(self) -> int:
        """Create the topics and write most of each log; return the number of records.

        Raises:
            SourceUnavailable: the brokers did not acknowledge all records.
        """
        for kind in COUNTS:
            self._kafka.create(f"{kind}-log", PARTITIONS)
            self._kafka.create(f"{kind}-dead", 1)
        return self._write({kind: count - count // LATER for kind, count in COUNTS.items()})

    def go_on(self, seconds: int) -> int:
        """Write the rest, a part each second, as a log goes on; return the number of records.

        An event is refused for good only when others of its log are accepted after its first refusal.

        Raises:
            SourceUnavailable: the brokers did not acknowledge all records.
        """
        part = {kind: count // LATER // seconds for kind, count in COUNTS.items()}
        written = 0
        for _ in range(seconds - 1):
            written += self._write(part)
            time.sleep(1)
        return written + self._write(COUNTS)

    def expected(self, kind: SampleKind) -> ExpectedBooks:
        """Return what a run over the records written so far must come to."""
        return self._samples[kind].books

    def _write(self, most: Mapping[SampleKind, int]) -> int:
        """Write the next records of each log, at most so many."""
        with KafkaWriter(self._kafka.settings("none"), client_id="log2mq-demo", environment=os.environ) as writer:
            return sum(
                writer.write(f"{kind}-log", ((line.key, line.value) for line in islice(self._samples[kind], count)))
                for kind, count in most.items()
            )
