"""The wait for the dead-letter topic when a job starts."""

from __future__ import annotations

import logging
import time

from kafka import KafkaProducer, errors

from pipeline.errors import DeadLetterUnavailable
from pipeline.kafka_io.client import unavailable
from pipeline.kafka_io.settings import KafkaSettings

LOG_AFTER_S = 5.0
TOPIC_LIMIT_S = 30.0
"""The longest wait for the topic at the start: brokers that are starting do not know all their topics yet."""

ASK_AGAIN_S = 0.1

_log = logging.getLogger("log2mq.dead_letters")


def wait_for_topic(producer: KafkaProducer, settings: KafkaSettings, topic: str) -> None:
    """Wait until the producer knows the topic, up to `TOPIC_LIMIT_S` where brokers answer.

    Raises:
        DeadLetterUnavailable: the brokers do not know the topic, or deny access to it.
        SourceUnavailable: the brokers do not answer for `kafka.give_up_after`.
    """
    begun_s, is_logged = time.monotonic(), False
    while True:
        try:
            producer.partitions_for(topic)
        except errors.RetriableError as error:
            waited_s = time.monotonic() - begun_s
            answered_s = producer._metadata._last_successful_refresh_ms / 1000  # noqa: SLF001 - there is no other way to it
            has_answer = answered_s > begun_s
            limit_s = TOPIC_LIMIT_S if has_answer else settings.give_up_after / 1000
            if waited_s > limit_s and not has_answer:
                raise unavailable(settings, error, "looking for the dead-letter topic") from None
            if waited_s > limit_s:
                raise DeadLetterUnavailable(
                    f"the dead-letter topic {topic} does not exist on {', '.join(settings.bootstrap_servers)}; create it "
                    f"(kafka-topics.sh --create --topic {topic}), or correct dead_letters.topic"
                ) from None
            if waited_s > LOG_AFTER_S and not is_logged:
                is_logged = True
                _log.warning(
                    "the dead-letter topic %s does not exist yet; waiting for it for up to %.0f s", topic, limit_s
                )
            time.sleep(ASK_AGAIN_S)
        except errors.KafkaError as error:
            raise DeadLetterUnavailable(
                f"the dead-letter topic {topic} cannot be written: {type(error).__name__}"
            ) from None
        else:
            return
