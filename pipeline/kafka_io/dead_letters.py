"""Dead letters in a Kafka topic. The owner thread never waits for the topic: a dead letter that the producer does not take is kept and sent later."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from typing import NamedTuple

from kafka import errors

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.contracts.values import Partition
from pipeline.dead_letters.headers import CUT_HEADER
from pipeline.errors import DeadLetterUnavailable, SourceUnavailable
from pipeline.kafka_io.client import NO_DEADLINE, connect_with_retries
from pipeline.kafka_io.dead_letter_topic import LOG_AFTER_S, wait_for_topic
from pipeline.kafka_io.producer import CLOSE_LIMIT_S, close_producer, open_producer
from pipeline.kafka_io.settings import KafkaSettings
from schemas.log import Record
from schemas.refusal import Refusal

BLOCK_LIMIT_MS = 5
"""The longest time that kafka-python's `send` blocks for the metadata of the topic. The producer asks on after that time."""

REQUEST_LIMIT_MS = 30_000
"""The time after which the producer sends a batch once more for want of an answer. Brokers recognise the batch by its sequence number."""

LINGER_MS = 5

SEND_AGAIN_S = 0.1
MOST_AT_ONCE = 500
CUTS = (1 << 20) - 4_096, 64 << 10, 0
"""The sizes to which a value that is too large is truncated, in order. The default limit of a broker is 1 MiB for the whole record."""

_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.InvalidRecordError)

_log = logging.getLogger("log2mq.dead_letters")


class _Letter(NamedTuple):
    """A dead letter that is not acknowledged. `cuts` is the number of times that its value was too large."""

    record: Record
    headers: list[tuple[str, bytes]]
    cuts: int = 0


class KafkaDeadLetters:
    """`DeadLetters` in a topic. An idempotent producer writes them, and all in-sync replicas acknowledge them.

    The caller bounds the memory: it counts the records whose dead letters are not acknowledged.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        make_headers: Callable[[Record, Refusal], Sequence[tuple[str, bytes]]],
        *,
        client_id: str,
        environment: Mapping[str, str],
        deadline: Deadline = NO_DEADLINE,
    ) -> None:
        """Connect, and wait for the topic (`wait_for_topic`). `deadline` is that of the job.

        Raises:
            DeadLetterUnavailable: the topic does not exist, or access to it is denied.
            SourceUnavailable: no broker answers for `kafka.give_up_after`, or the login is refused.
        """
        self._settings = settings
        self._deadline = deadline
        self._topic = topic
        self._make_headers = make_headers
        self._waiting: deque[_Letter] = deque()  # not sent to the producer yet, in order
        self._unacknowledged = 0  # the waiting ones, and those of the producer
        self._progress_s = 0.0
        self._send_again_s = 0.0
        self._is_logged = False
        self._refused: str | None = None
        self._has_expired = False
        self._has_given_up = False
        self._outcomes: SimpleQueue[tuple[_Letter, Exception | None]] = SimpleQueue()
        self._producer = connect_with_retries(
            settings,
            lambda limit_ms: open_producer(
                settings,
                environment,
                client_id,
                limit_ms,
                deadline,
                max_block_ms=BLOCK_LIMIT_MS,
                linger_ms=LINGER_MS,
                request_timeout_ms=REQUEST_LIMIT_MS,
                # What the producer gives up may be written or not, and nobody can ask. So it goes on for as long as the job does.
                delivery_timeout_ms=settings.give_up_after + REQUEST_LIMIT_MS + LINGER_MS,
            ),
        )
        try:
            wait_for_topic(self._producer, settings, topic)
        except (DeadLetterUnavailable, SourceUnavailable):
            close_producer(self._producer, at_once=True)
            raise

    @property
    def is_writing(self) -> bool:
        """Whether dead letters were begun that may still become durable."""
        return self._unacknowledged > 0 and not self._has_given_up

    @property
    def is_away(self) -> bool:
        """Whether dead letters wait, and the topic has taken none for `LOG_AFTER_S`."""
        return self._unacknowledged > 0 and time.monotonic() - self._progress_s > LOG_AFTER_S

    def send(self, record: Record, refusal: Refusal) -> None:
        """Begin to write the dead letter of a record. Returns at once."""
        if not self._unacknowledged:
            self._progress_s = time.monotonic()
        self._unacknowledged += 1
        # kafka-python writes no header without a value.
        headers = [(name, content or b"") for name, content in record.headers or ()]
        self._waiting.append(_Letter(record, [*headers, *self._make_headers(record, refusal)]))
        self._send_waiting()

    def durable(self) -> list[Record]:
        """Return the records whose dead letters were acknowledged since the last call.

        Raises:
            DeadLetterUnavailable: the topic refuses a dead letter for good, has taken none for `kafka.give_up_after`, or has not taken one of
                them for longer. Later calls raise it again, after they have returned the records acknowledged meanwhile.
        """
        acknowledged: list[Record] = []
        again: list[_Letter] = []
        while True:
            try:
                letter, error = self._outcomes.get_nowait()
            except Empty:
                break
            if error is None:
                acknowledged.append(letter.record)
            elif isinstance(error, _TOO_LARGE) and letter.cuts < len(CUTS):
                again.append(letter._replace(cuts=letter.cuts + 1))
            elif isinstance(error, errors.KafkaTimeoutError):  # it may be written: sent again, it could be there twice
                self._unacknowledged -= 1
                self._has_expired = True
            elif isinstance(error, errors.RetriableError):
                again.append(letter)
            else:
                self._unacknowledged -= 1
                self._refused = self._refused or type(error).__name__
        self._waiting.extendleft(reversed(again))
        self._send_waiting()
        if acknowledged:
            self._unacknowledged -= len(acknowledged)
            self._progress_s = time.monotonic()
            if self._is_logged:
                log_event(
                    _log,
                    logging.WARNING,
                    LogEvent.DEAD_LETTERS_BACK,
                    "the dead-letter topic takes records again",
                    topic=self._topic,
                )
            self._is_logged = False
        elif self._refused is not None:
            raise DeadLetterUnavailable(f"the dead-letter topic {self._topic} refuses records: {self._refused}")
        elif self._has_expired:
            raise self._gave_up("one of the records")
        elif self._unacknowledged:
            self._check_wait()
        return acknowledged

    @property
    def topic(self) -> str:
        """The name of the topic."""
        return self._topic

    def forget(self, partitions: Collection[Partition]) -> list[Record]:
        """Remove the dead letters of these partitions that the producer does not hold yet, and return their records."""
        forgotten: list[Record] = []
        kept: deque[_Letter] = deque()
        for letter in self._waiting:
            if Partition(letter.record.topic, letter.record.partition) in partitions:
                forgotten.append(letter.record)
            else:
                kept.append(letter)
        self._unacknowledged -= len(forgotten)
        self._waiting = kept
        return forgotten

    def close(self) -> None:
        """Close. A dead letter that is not acknowledged by now may be written or not."""
        limit_ms = self._deadline.limit_ms(int(CLOSE_LIMIT_S * 1000))
        close_producer(self._producer, limit_ms / 1000, at_once=bool(self._unacknowledged))

    def _check_wait(self) -> None:
        """Log once that no dead letter is acknowledged, and give up after `kafka.give_up_after`."""
        waited_s, limit_s = time.monotonic() - self._progress_s, self._settings.give_up_after / 1000
        if waited_s > limit_s:
            self._has_given_up = True
            raise self._gave_up("no record")
        if waited_s > LOG_AFTER_S and not self._is_logged:
            self._is_logged = True
            text = f"the dead-letter topic takes no records; the job keeps them for up to {limit_s:.0f} s"
            log_event(_log, logging.WARNING, LogEvent.DEAD_LETTERS_AWAY, text, topic=self._topic)

    def _gave_up(self, what: str) -> DeadLetterUnavailable:
        return DeadLetterUnavailable(
            f"the dead-letter topic {self._topic} has taken {what} for {self._settings.give_up_after / 1000:.0f} s; "
            "check that the topic exists and its brokers answer",
            may_pass=True,  # where the topic is missing, the next start says so
        )

    def _send_waiting(self) -> None:
        """Send the waiting dead letters to the producer, in order, until it does not take one."""
        if not self._waiting or time.monotonic() < self._send_again_s:
            return
        for letter in list(islice(self._waiting, MOST_AT_ONCE)):
            if not self._send(letter):
                self._send_again_s = time.monotonic() + SEND_AGAIN_S
                return
            self._waiting.popleft()

    def _send(self, letter: _Letter) -> bool:
        """Send a dead letter to the producer, and return whether it took it. It takes none while it does not know the topic."""
        record, headers = letter.record, letter.headers
        # kafka-python writes no record without key and value.
        value = b"" if record.value is None and record.key is None else record.value
        if letter.cuts and value is not None and len(value) > (most := CUTS[letter.cuts - 1]):
            headers = [*headers, (CUT_HEADER, str(len(value)).encode())]
            value = value[:most]
        try:
            future = self._producer.send(self._topic, value=value, key=record.key, headers=headers)
        except (errors.KafkaTimeoutError, ValueError, TypeError):
            # ValueError and TypeError: the topic was known, and its metadata was lost before a partition was chosen.
            return False
        except errors.KafkaError as error:
            self._outcomes.put((letter, error))
            return True
        future.add_callback(lambda _: self._outcomes.put((letter, None)))
        future.add_errback(lambda error: self._outcomes.put((letter, error)))
        return True
