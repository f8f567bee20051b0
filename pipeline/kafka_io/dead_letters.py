"""Dead letters in a Kafka topic. The job's thread never waits for that topic: what it does not take is kept and offered again."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import NamedTuple

from kafka import errors

from pipeline.contracts.values import Partition
from pipeline.errors import DeadLetterUnavailable, SourceUnavailable
from pipeline.kafka_io.client import connected, unavailable
from pipeline.kafka_io.producer import close_producer, open_producer
from pipeline.kafka_io.settings import KafkaSettings
from schemas.log import Record
from schemas.refusal import Refusal

SAY_AFTER_S = 5.0
TOPIC_LIMIT_S = 30.0
"""How long the topic is waited for at the start: brokers that are starting do not know all their topics yet."""

BLOCK_LIMIT_MS = 5
"""How long the producer may look for a topic that it does not know. kafka-python's `send` blocks for that; it goes on looking afterwards."""

OFFER_AGAIN_S = 0.1
MOST_AT_ONCE = 500
CUT_HEADER = "log2mq-value-cut"
"""Added where a value had to be cut to fit the topic: how many bytes it had."""

CUTS = (1 << 20) - 4_096, 64 << 10, 0
"""What a value that the topic refuses is cut to, one after the other: a broker's default limit is 1 MiB for the whole record."""

_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.InvalidRecordError)

_log = logging.getLogger("log2mq.dead_letters")


class _Letter(NamedTuple):
    """A dead letter to be written; `cuts` says how often its value was found too large."""

    record: Record
    headers: list[tuple[str, bytes]]
    cuts: int = 0


class KafkaDeadLetters:
    """`DeadLetters` in a topic: written by an idempotent producer and acknowledged by all in-sync replicas.

    Memory is bounded by the caller, who keeps count of the records whose dead letters are not acknowledged.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        make_headers: Callable[[Record, Refusal], Sequence[tuple[str, bytes]]],
        *,
        client_id: str,
        environment: Mapping[str, str],
    ) -> None:
        """Connect, and wait up to `TOPIC_LIMIT_S` for the topic.

        Raises:
            DeadLetterUnavailable: the topic does not exist, or access to it is denied.
            SourceUnavailable: no broker answers for `kafka.give_up_after`, or the login is refused.
        """
        self._settings = settings
        self._topic = topic
        self._make_headers = make_headers
        self._waiting: deque[_Letter] = deque()  # not handed to the producer yet, in their order
        self._unacknowledged = 0  # these, and those which the producer has
        self._progress_s = 0.0
        self._offer_s = 0.0
        self._is_said = False
        self._refused: str | None = None
        self._outcomes: SimpleQueue[tuple[_Letter, Exception | None]] = SimpleQueue()
        self._producer = connected(
            settings,
            lambda limit_ms: open_producer(
                settings, environment, client_id, limit_ms, max_block_ms=BLOCK_LIMIT_MS, linger_ms=5
            ),
        )
        try:
            self._wait_for_topic()
        except (DeadLetterUnavailable, SourceUnavailable):
            close_producer(self._producer, at_once=True)
            raise

    def send(self, record: Record, refusal: Refusal) -> None:
        """Begin to write a record; returns at once."""
        if not self._unacknowledged:
            self._progress_s = time.monotonic()
        self._unacknowledged += 1
        # kafka-python writes no header without a value.
        headers = [(name, content or b"") for name, content in record.headers or ()]
        self._waiting.append(_Letter(record, [*headers, *self._make_headers(record, refusal)]))
        self._offer()

    def durable(self) -> list[Record]:
        """Return the records whose dead letters were acknowledged since the last call.

        Raises:
            DeadLetterUnavailable: the topic refuses one for good, or has taken none for `kafka.give_up_after`. Every later call raises it
                again, once it has returned what else was acknowledged.
        """
        done: list[Record] = []
        again: list[_Letter] = []
        while True:
            try:
                letter, error = self._outcomes.get_nowait()
            except Empty:
                break
            if error is None:
                done.append(letter.record)
            elif isinstance(error, _TOO_LARGE) and letter.cuts < len(CUTS):
                again.append(letter._replace(cuts=letter.cuts + 1))
            elif isinstance(error, errors.RetriableError):
                again.append(letter)
            else:
                self._unacknowledged -= 1
                self._refused = self._refused or type(error).__name__
        self._waiting.extendleft(reversed(again))
        self._offer()
        if done:
            self._unacknowledged -= len(done)
            self._progress_s = time.monotonic()
            if self._is_said:
                _log.warning("dead letters are taken again")
            self._is_said = False
        elif self._refused is not None:
            raise DeadLetterUnavailable(f"the dead-letter topic {self._topic} refuses records: {self._refused}")
        elif self._unacknowledged:
            self._bear()
        return done

    def forget(self, partitions: Collection[Partition]) -> None:
        """Let go of what was not handed to the producer yet of these partitions: their records are read again, here or elsewhere."""
        kept = deque(
            each for each in self._waiting if Partition(each.record.topic, each.record.partition) not in partitions
        )
        self._unacknowledged -= len(self._waiting) - len(kept)
        self._waiting = kept

    def close(self) -> None:
        """Wait for what was begun, until 5 s after the topic last took something, and close."""
        until_s = self._progress_s + SAY_AFTER_S
        while self._unacknowledged and time.monotonic() < until_s:
            with suppress(DeadLetterUnavailable):  # it has been said
                self.durable()
            time.sleep(0.01)
        if self._unacknowledged:
            _log.warning("%d dead letters were not written; their records are read again", self._unacknowledged)
        close_producer(self._producer, at_once=bool(self._unacknowledged))

    def _bear(self) -> None:
        """Nothing is acknowledged: it may pass; say so once, and give up when it lasts."""
        waited_s, patience_s = time.monotonic() - self._progress_s, self._settings.give_up_after / 1000
        if waited_s > patience_s:
            raise DeadLetterUnavailable(
                f"the dead-letter topic {self._topic} has taken no record for {patience_s:.0f} s; is it there, and are its brokers?"
            )
        if waited_s > SAY_AFTER_S and not self._is_said:
            self._is_said = True
            _log.warning("dead letters are not taken; the job holds their records for %.0f s", patience_s)

    def _wait_for_topic(self) -> None:
        """Return once the topic is known.

        Raises:
            DeadLetterUnavailable: the brokers do not know it, or deny access to it.
            SourceUnavailable: they do not answer for `kafka.give_up_after`.
        """
        begun_s, is_said = time.monotonic(), False
        while True:
            try:
                self._producer.partitions_for(self._topic)
            except errors.RetriableError as error:
                waited_s = time.monotonic() - begun_s
                answered_s = self._producer._metadata._last_successful_refresh_ms / 1000  # noqa: SLF001 - told nowhere else
                has_answer = answered_s > begun_s
                limit_s = TOPIC_LIMIT_S if has_answer else self._settings.give_up_after / 1000
                if waited_s > limit_s and not has_answer:
                    raise unavailable(self._settings, error, "looking for the dead-letter topic") from None
                if waited_s > limit_s:
                    raise DeadLetterUnavailable(
                        f"the dead-letter topic {self._topic} does not exist on {', '.join(self._settings.bootstrap_servers)}; create it "
                        f"(kafka-topics.sh --create --topic {self._topic}), or mend dead_letters.topic"
                    ) from None
                if waited_s > SAY_AFTER_S and not is_said:
                    is_said = True
                    _log.warning(
                        "the dead-letter topic %s is not there; waiting for it up to %.0f s", self._topic, limit_s
                    )
                time.sleep(OFFER_AGAIN_S)
            except errors.KafkaError as error:
                raise DeadLetterUnavailable(
                    f"the dead-letter topic {self._topic} cannot be written: {type(error).__name__}"
                ) from None
            else:
                return

    def _offer(self) -> None:
        """Hand what waits to the producer, in its order, as far as it takes it now."""
        if not self._waiting or time.monotonic() < self._offer_s:
            return
        for letter in list(islice(self._waiting, MOST_AT_ONCE)):
            if not self._begin(letter):
                self._offer_s = time.monotonic() + OFFER_AGAIN_S
                return
            self._waiting.popleft()

    def _begin(self, letter: _Letter) -> bool:
        """Hand a dead letter to the producer, and return whether it took it: it does not while it does not know the topic."""
        record, headers = letter.record, letter.headers
        # kafka-python writes no record without key and value.
        value = b"" if record.value is None and record.key is None else record.value
        if letter.cuts and value is not None and len(value) > (most := CUTS[letter.cuts - 1]):
            headers = [*headers, (CUT_HEADER, str(len(value)).encode())]
            value = value[:most]
        try:
            future = self._producer.send(self._topic, value=value, key=record.key, headers=headers)
        except (errors.KafkaTimeoutError, ValueError, TypeError):
            # The last two: the topic was found, and its metadata went before a partition was chosen.
            return False
        except errors.KafkaError as error:
            self._outcomes.put((letter, error))
            return True
        future.add_callback(lambda _: self._outcomes.put((letter, None)))
        future.add_errback(lambda error: self._outcomes.put((letter, error)))
        return True
