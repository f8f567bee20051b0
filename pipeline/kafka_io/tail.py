"""A reader of topics without a consumer group. It commits nothing, so no group's offsets change."""

from __future__ import annotations

from collections.abc import Mapping

from kafka import TopicPartition

from pipeline.contracts.values import Partition
from pipeline.kafka_io.client import client_settings
from pipeline.kafka_io.offset_lookup import end_offsets
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.standalone import UngroupedConsumer
from schemas.log import Record

MOST_AT_ONCE = 500


class Tail(UngroupedConsumer):
    """Reads the partitions given, each from the offset given."""

    def __init__(
        self, settings: KafkaSettings, environment: Mapping[str, str], starts: Mapping[Partition, int]
    ) -> None:
        """Connect. `starts` are the first offsets by partition. Where retention removed records before they were read, reading goes on at the oldest left."""
        self._partitions = [TopicPartition(*each) for each in starts]
        super().__init__(
            settings,
            client_settings(settings, environment, "log2mq-tap"),
            auto_offset_reset="earliest",
            max_poll_records=MOST_AT_ONCE,
            fetch_max_bytes=settings.fetch_max_bytes,
            max_partition_fetch_bytes=settings.fetch_max_bytes,
        )
        with self._asking("connecting"):
            self._consumer.assign(self._partitions)
            for partition, offset in starts.items():
                self._consumer.seek(TopicPartition(*partition), offset)

    def poll(self, wait_ms: int) -> list[Record]:
        """Return the next records, at most 500, or an empty list if none came within `wait_ms`."""
        with self._asking("reading"):
            return [record for records in self._consumer.poll(timeout_ms=wait_ms).values() for record in records]

    def ask(self) -> None:
        """Ask the brokers a question: `poll` does not raise while no broker answers."""
        with self._asking("reading"):
            end_offsets(self._consumer, [Partition(*each) for each in self._partitions])

    def behind(self) -> int:
        """Return the number of offsets between the positions and the ends, by the last answer of the brokers."""
        return sum(end - position for position, end in self._positions_and_ends().values())

    def skip_to_end(self) -> int:
        """Seek to the ends, and return the number of offsets skipped."""
        skipped = 0
        for partition, (position, end) in self._positions_and_ends().items():
            if end > position:
                self._consumer.seek(partition, end)
                skipped += end - position
        return skipped

    def _positions_and_ends(self) -> dict[TopicPartition, tuple[int, int]]:
        with self._asking("reading"):
            return {
                each: (position, max(position, self._consumer.highwater(each) or 0))
                for each in self._partitions
                if (position := self._consumer.position(each)) is not None
            }
