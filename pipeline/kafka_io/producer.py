"""How a producer is opened and closed, and the writer of sample logs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from kafka import KafkaProducer, errors
from kafka.cluster import ClusterMetadata
from kafka.future import Future

from pipeline.contracts.deadline import Deadline
from pipeline.kafka_io.client import NO_DEADLINE, client_settings, open_client, unavailable
from pipeline.kafka_io.settings import KafkaSettings

MOST_REQUEST_BYTES = 64 << 20
CLOSE_LIMIT_S = 5.0

_log = logging.getLogger("log2mq.kafka")


class KafkaWriter:
    """A context manager that writes many records fast and in order: sample logs, and the records of tests."""

    def __init__(self, settings: KafkaSettings, *, client_id: str, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._producer = open_producer(
            settings, environment, client_id, settings.connect_timeout, linger_ms=20, batch_size=256 << 10
        )
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        close_producer(self._producer)

    def write(
        self,
        topic: str,
        records: Iterable[tuple[bytes | None, bytes | None]],
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Write (key, value) pairs, wait until all are acknowledged, and return their number.

        Raises:
            SourceUnavailable: the brokers did not acknowledge all records.
        """
        count = 0
        try:
            for key, value in records:
                future = self._producer.send(
                    topic, value=value, key=key, headers=list(headers) or None, partition=partition
                )
                future.add_errback(self._note_error)
                count += 1
            self._producer.flush(timeout=120)
        except errors.KafkaError as error:
            raise unavailable(self._settings, error, f"writing to {topic}") from None
        if self._error is not None:
            raise unavailable(self._settings, self._error, f"writing to {topic}")
        return count

    def _note_error(self, error: Exception) -> None:
        self._error = error


def open_producer(
    settings: KafkaSettings,
    environment: Mapping[str, str],
    client_id: str,
    limit_ms: int,
    deadline: Deadline = NO_DEADLINE,
    **more: Any,
) -> KafkaProducer:
    """Return a connected idempotent producer. `deadline` is that of the job, `more` are further settings of kafka-python.

    Raises:
        SourceUnavailable: no broker answers within `limit_ms`, or the login is refused.
    """
    chosen = {**client_settings(settings, environment, client_id), "bootstrap_timeout_ms": limit_ms}
    try:
        producer = open_client(
            KafkaProducer,
            deadline,
            **chosen,
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            max_request_size=MOST_REQUEST_BYTES,
            metrics_enabled=False,
            **more,
        )
    except errors.KafkaError as error:
        raise unavailable(settings, error, "connecting") from None
    _request_once(producer._metadata)  # noqa: SLF001 - kafka-python has no parameter for it
    return producer


def _request_once(cluster: ClusterMetadata) -> None:
    """Let a request for metadata end the wait of the producer's thread only where no earlier one waits for its answer.

    In kafka-python 3.0.12 this thread requests metadata in each of its rounds while a partition has no leader, and each request ends the wait of the
    next round: a topic that is gone costs a whole core.
    """
    request = cluster.request_update

    def request_update() -> Future:
        with cluster._lock:  # noqa: SLF001 - kafka-python tells nobody whether a request waits
            waiting = cluster._future if cluster._need_update else None  # noqa: SLF001
        return request() if waiting is None or waiting.is_done else waiting

    cluster.request_update = request_update


def close_producer(producer: KafkaProducer, limit_s: float = CLOSE_LIMIT_S, *, at_once: bool = False) -> None:
    """Close once all records sent are acknowledged, at most `limit_s` seconds later; or at once.

    A record that is not acknowledged by then may be written or not.
    """
    until_s = time.monotonic() + limit_s
    if at_once:
        producer._sender.force_close()  # noqa: SLF001 - `close` waits for every batch, and can raise before it ends the thread
        producer._sender.join(limit_s)  # noqa: SLF001
    try:
        # Half of the time: `close` takes it twice, to flush and to join its thread.
        producer.close(timeout=max(0.0, until_s - time.monotonic()) / 2)
    except errors.KafkaError as error:
        _log.info("closing a producer failed (%s)", type(error).__name__)
