"""A consumer outside any group: nothing is committed, and no group's offsets are touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, errors

from pipeline.kafka_io.bounded_fetch import BoundedFetcher, ReadBounds
from pipeline.kafka_io.client import open_client, unavailable
from pipeline.kafka_io.settings import KafkaSettings

CLOSE_LIMIT_MS = 2_000


class UngroupedConsumer:
    """A context manager over one consumer. Every method raises `SourceUnavailable` if the brokers do not answer."""

    def __init__(self, settings: KafkaSettings, common: Mapping[str, Any], **options: Any) -> None:
        """Connect. `common` is what `client_settings` returns, `options` are further settings of kafka-python."""
        self._settings = settings
        with self._asking("connecting"):
            self._consumer = open_client(
                KafkaConsumer,
                **common,
                group_id=None,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                metrics_enabled=False,
                isolation_level=settings.isolation_level,
                **options,
            )
        BoundedFetcher.take_over(self._consumer, ReadBounds())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        with suppress(errors.KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=CLOSE_LIMIT_MS)

    @contextmanager
    def _asking(self, action: str) -> Iterator[None]:
        try:
            yield
        except errors.KafkaError as error:
            raise unavailable(self._settings, error, action) from None
