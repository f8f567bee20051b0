"""The times of single records: how old is what was not read yet?"""

from __future__ import annotations

import time
from collections.abc import Mapping

from kafka import TopicPartition

from pipeline.contracts.values import Partition
from pipeline.kafka_io.client import client_settings
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.standalone import UngroupedConsumer

READ_LIMIT_MS = 5_000
POLL_MS = 1_000
FETCH_BYTES = 64 << 10
"""How much is fetched of a partition: one batch, whatever its size, is always fetched."""


class OffsetTimes(UngroupedConsumer):
    """Looks up when records were written."""

    def __init__(self, settings: KafkaSettings, environment: Mapping[str, str]) -> None:
        super().__init__(
            settings,
            client_settings(settings, environment, f"{settings.group or 'log2mq'}-times"),
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    def at(self, offsets: Mapping[Partition, int]) -> dict[Partition, int]:
        """Return the timestamp in Unix ms of the first record at or after an offset, by partition.

        A partition is left out whose record has no timestamp, is gone, or does not come within `READ_LIMIT_MS`.
        """
        waiting, found = dict(offsets), dict[Partition, int]()
        until_s = time.monotonic() + READ_LIMIT_MS / 1000
        with self._asking("reading one record"):
            while waiting and time.monotonic() < until_s:
                self._consumer.assign([TopicPartition(*each) for each in waiting])
                for partition, offset in waiting.items():
                    self._consumer.seek(TopicPartition(*partition), offset)
                for key, records in self._consumer.poll(timeout_ms=POLL_MS).items():
                    waiting.pop(partition := Partition(*key), None)
                    if (timestamp := records[0].timestamp) is not None and timestamp >= 0:
                        found[partition] = timestamp
        return found
