"""Reading along with a topic, without a group: nothing is committed, and no group's offsets are touched."""

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
    """Reads on from where it is told to begin."""

    def __init__(
        self, settings: KafkaSettings, environment: Mapping[str, str], starts: Mapping[Partition, int]
    ) -> None:
        """Read each partition from the offset given. Where retention removes records before they are read, reading goes on behind them."""
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
        """Return the next records, at most 500; none where none came within `wait_ms`."""
        with self._asking("reading"):
            return [record for records in self._consumer.poll(timeout_ms=wait_ms).values() for record in records]

    def ask(self) -> None:
        """Ask the brokers for a sign of life: `poll` says nothing of their absence."""
        with self._asking("reading"):
            end_offsets(self._consumer, [Partition(*each) for each in self._partitions])

    def behind(self) -> int:
        """Return how many offsets lie between here and the end, as far as the last answer of the brokers knows it."""
        return sum(end - position for position, end in self._places().values())

    def skip_to_end(self) -> int:
        """Go on at the end, and return how many offsets are passed over."""
        passed = 0
        for partition, (position, end) in self._places().items():
            if end > position:
                self._consumer.seek(partition, end)
                passed += end - position
        return passed

    def _places(self) -> dict[TopicPartition, tuple[int, int]]:
        with self._asking("reading"):
            return {
                each: (position, max(position, self._consumer.highwater(each) or 0))
                for each in self._partitions
                if (position := self._consumer.position(each)) is not None
            }
