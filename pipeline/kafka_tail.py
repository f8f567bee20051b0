"""Reading along with a topic, without a group: nothing is committed, and no group's offsets are touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from kafka import KafkaConsumer, TopicPartition, errors

from pipeline.config.kafka_settings import KafkaSettings
from pipeline.kafka_client import client_settings, unavailable
from pipeline.values import Partition
from schemas.log import Record

CLOSE_LIMIT_MS = 2_000
MOST_AT_ONCE = 500


class Tail:
    """A context manager over one consumer. Every method raises `SourceUnavailable` where the brokers do not answer."""

    def __init__(
        self, settings: KafkaSettings, environment: Mapping[str, str], starts: Mapping[Partition, int]
    ) -> None:
        """Read each partition from the offset given. Where retention removes records before they are read, reading goes on behind them."""
        self._settings = settings
        self._partitions = [TopicPartition(*each) for each in starts]
        with self._asking("connecting"):
            self._consumer = KafkaConsumer(
                **client_settings(settings, environment, "log2mq-tap"),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                metrics_enabled=False,
                isolation_level=settings.isolation_level,
                max_poll_records=MOST_AT_ONCE,
                fetch_max_bytes=settings.fetch_max_bytes,
                max_partition_fetch_bytes=settings.fetch_max_bytes,
            )
            self._consumer.assign(self._partitions)
            for partition, offset in starts.items():
                self._consumer.seek(TopicPartition(*partition), offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(errors.KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=CLOSE_LIMIT_MS)

    def poll(self, wait_ms: int) -> list[Record]:
        """Return the next records, at most 500; none where none came within `wait_ms`."""
        with self._asking("reading"):
            return [record for records in self._consumer.poll(timeout_ms=wait_ms).values() for record in records]

    def ask(self) -> None:
        """Ask the brokers for a sign of life: `poll` says nothing of their absence."""
        with self._asking("reading"):
            self._consumer.end_offsets(self._partitions)

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

    @contextmanager
    def _asking(self, doing: str) -> Iterator[None]:
        try:
            yield
        except errors.KafkaError as error:
            raise unavailable(self._settings, error, doing) from None
