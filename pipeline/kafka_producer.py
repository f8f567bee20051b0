"""Writing to Kafka: the dead letters of a job, and the sample logs of a demo."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Timer
from typing import Any, Self

from kafka import KafkaProducer, errors

from pipeline.config.kafka_settings import KafkaSettings
from pipeline.errors import DeadLetterUnavailable
from pipeline.kafka_client import client_settings, connected, opened, unavailable
from schemas.log import Record
from schemas.refusal import Refusal

MOST_REQUEST_BYTES = 64 << 20
FLUSH_LIMIT_S = 30.0
CLOSE_LIMIT_S = 5.0
BLOCK_LIMIT_MS = 30_000
SAY_AFTER_S = 5.0
CUT_HEADER = "log2mq-value-cut"
"""Added where a value had to be cut to fit the topic: how many bytes it had."""

CUTS = (1 << 20) - 4_096, 64 << 10, 0
"""What a value that the topic refuses is cut to, one after the other: a broker's default limit is 1 MiB for the whole record."""

_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.InvalidRecordError)

_log = logging.getLogger("log2mq.dead_letters")


class KafkaDeadLetters:
    """`DeadLetters` in a topic: written by an idempotent producer and acknowledged by all in-sync replicas."""

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        make_headers: Callable[[Record, Refusal], Sequence[tuple[str, bytes]]],
        *,
        client_id: str,
        environment: Mapping[str, str],
    ) -> None:
        """Connect.

        Raises:
            DeadLetterUnavailable: the topic does not exist.
            SourceUnavailable: no broker answers, or the login is refused.
        """
        self._settings = settings
        self._topic = topic
        self._make_headers = make_headers
        self._unacknowledged = 0
        self._progress_s = 0.0
        self._is_said = False
        self._has_given_up = False
        self._outcomes: SimpleQueue[tuple[Record, Refusal, int, Exception | None]] = SimpleQueue()
        self._producer = connected(
            settings, lambda limit_ms: open_producer(settings, environment, client_id, limit_ms, linger_ms=5)
        )
        if not self._exists():
            _close(self._producer)
            raise DeadLetterUnavailable(
                f"the dead-letter topic {topic} does not exist on {', '.join(settings.bootstrap_servers)}; create it "
                f"(kafka-topics.sh --create --topic {topic}), or mend dead_letters.topic"
            )

    def send(self, record: Record, refusal: Refusal) -> None:
        """Begin to write a record. Returns at once unless the producer's buffer is full, which holds the job until there is room."""
        if not self._unacknowledged:
            self._progress_s = time.monotonic()
        self._unacknowledged += 1
        self._send(record, refusal, attempt=-1)

    def durable(self) -> list[Record]:
        """Return the records whose dead letters were acknowledged since the last call.

        Raises:
            DeadLetterUnavailable: the topic refuses one for good, or has taken none for `kafka.give_up_after`.
        """
        done = []
        while True:
            try:
                record, refusal, attempt, error = self._outcomes.get_nowait()
            except Empty:
                break
            if error is None:
                done.append(record)
            elif isinstance(error, _TOO_LARGE) and attempt + 1 < len(CUTS):
                self._send(record, refusal, attempt + 1)
            elif isinstance(error, errors.RetriableError):
                self._send(record, refusal, attempt)
            else:
                raise DeadLetterUnavailable(
                    f"the dead-letter topic {self._topic} refuses records: {type(error).__name__}"
                )
        if done:
            self._unacknowledged -= len(done)
            self._progress_s = time.monotonic()
            self._is_said = False
        elif self._unacknowledged:
            self._bear()
        return done

    def close(self) -> None:
        """Finish what was begun, within 30 s, and close."""
        try:
            if not self._has_given_up:
                self._producer.flush(timeout=FLUSH_LIMIT_S)
        except errors.KafkaError as error:
            _log.warning("dead letters were not all written (%s); their records are read again", type(error).__name__)
        _close(self._producer)

    def _bear(self) -> None:
        """Nothing is acknowledged: it may pass; say so once, and give up when it lasts."""
        waited_s, patience_s = time.monotonic() - self._progress_s, self._settings.give_up_after / 1000
        if waited_s > patience_s:
            self._has_given_up = True
            raise DeadLetterUnavailable(
                f"the dead-letter topic {self._topic} has taken no record for {patience_s:.0f} s; is it there, and are its brokers?"
            )
        if waited_s > SAY_AFTER_S and not self._is_said:
            self._is_said = True
            _log.warning("dead letters are not taken; the job holds their records for %.0f s", patience_s)

    def _exists(self) -> bool:
        """Whether it is there, or comes within `BLOCK_LIMIT_MS`: brokers that are starting do not know all their topics yet."""
        waiting = "the dead-letter topic %s is not there; waiting for it up to %d s"
        say = Timer(SAY_AFTER_S, _log.warning, (waiting, self._topic, BLOCK_LIMIT_MS // 1000))
        say.daemon = True
        say.start()
        try:
            return bool(self._producer.partitions_for(self._topic))
        except errors.KafkaError:
            return False
        finally:
            say.cancel()

    def _send(self, record: Record, refusal: Refusal, attempt: int) -> None:
        # kafka-python writes no header without a value, and no record without key and value.
        headers = [(name, content or b"") for name, content in record.headers or ()]
        headers += self._make_headers(record, refusal)
        value = b"" if record.value is None and record.key is None else record.value
        if attempt >= 0 and value is not None and len(value) > CUTS[attempt]:
            headers.append((CUT_HEADER, str(len(value)).encode()))
            value = value[: CUTS[attempt]]
        try:
            future = self._producer.send(self._topic, value=value, key=record.key, headers=headers)
        except errors.KafkaError as error:
            self._outcomes.put((record, refusal, attempt, error))
            return
        future.add_callback(lambda _: self._outcomes.put((record, refusal, attempt, None)))
        future.add_errback(lambda error: self._outcomes.put((record, refusal, attempt, error)))


class KafkaWriter:
    """Writes many records fast and in order: sample logs, and what tests need. A context manager."""

    def __init__(self, settings: KafkaSettings, *, client_id: str, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._producer = open_producer(
            settings, environment, client_id, settings.connect_timeout, linger_ms=20, batch_size=256 << 10
        )
        self._failed: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._producer)

    def write(
        self,
        topic: str,
        records: Iterable[tuple[bytes | None, bytes | None]],
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Write (key, value) pairs and return how many, once all are acknowledged.

        Raises:
            SourceUnavailable: the brokers did not take them all.
        """
        count = 0
        try:
            for key, value in records:
                future = self._producer.send(
                    topic, value=value, key=key, headers=list(headers) or None, partition=partition
                )
                future.add_errback(self._note)
                count += 1
            self._producer.flush(timeout=120)
        except errors.KafkaError as error:
            raise unavailable(self._settings, error, f"writing to {topic}") from None
        if self._failed is not None:
            raise unavailable(self._settings, self._failed, f"writing to {topic}")
        return count

    def _note(self, error: Exception) -> None:
        self._failed = error


def _close(producer: KafkaProducer) -> None:
    try:
        producer.close(timeout=CLOSE_LIMIT_S)
    except errors.KafkaError as error:
        _log.info("closing a producer failed (%s)", type(error).__name__)


def open_producer(
    settings: KafkaSettings, environment: Mapping[str, str], client_id: str, limit_ms: int, **more: Any
) -> KafkaProducer:
    """Connect an idempotent producer. Raises `SourceUnavailable` where no broker answers within `limit_ms`, or the login is refused."""
    chosen = {**client_settings(settings, environment, client_id), "bootstrap_timeout_ms": limit_ms}
    try:
        return opened(
            KafkaProducer,
            **chosen,
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            max_request_size=MOST_REQUEST_BYTES,
            max_block_ms=BLOCK_LIMIT_MS,
            metrics_enabled=False,
            **more,
        )
    except errors.KafkaError as error:
        raise unavailable(settings, error, "connecting") from None
