"""Truncations: an unclean leader election removed records that were read, and other records have their offsets now (KIP-320)."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from pipeline.kafka_io.bounded_fetch import BoundedFetcher, ReadBounds

ASK_AGAIN_S = 0.2
"""The time after which the broker is asked again about a truncated position, until somebody seeks."""


class Truncation(NamedTuple):
    """The log of a partition is another one from `kept_until` on, which lies below `position`. None where the broker does not know the offset."""

    key: TopicPartition
    position: OffsetAndMetadata
    kept_until: int | None


class TruncationFetcher(BoundedFetcher):
    """The fetcher of one consumer. `take_over` makes it of kafka-python's own.

    kafka-python 3.0.12 takes a truncated position for good as soon as it has found the truncation, and reads on from it. It raises the truncation
    once, out of the next `poll` or `position`. Here the position is not read from before somebody seeks, and the truncation is told until then, by
    `take_truncations` alone. Nothing raises it.
    """

    _truncations: deque[Truncation]
    _subscriptions: Any

    @classmethod
    def take_over(cls, consumer: KafkaConsumer, bounds: ReadBounds) -> None:
        """Make the fetcher of a new consumer one of this class."""
        super().take_over(consumer, bounds)
        consumer._fetcher._truncations = deque()  # noqa: SLF001

    def take_truncations(self) -> list[Truncation]:
        """Return the truncations found since the last call, of positions that are still the same."""
        found = {}
        while self._truncations:
            truncation = self._truncations.popleft()
            if self._position(truncation.key) == truncation.position:
                found[truncation.key] = truncation
        return list(found.values())

    def _position(self, key: TopicPartition) -> OffsetAndMetadata | None:
        state = self._subscriptions.assignment.get(key)
        return state.position if state is not None else None

    def _handle_offset_for_leader_epoch_response(self, response: Any, asked: dict[TopicPartition, Any]) -> Any:
        """Take the truncated positions out of an answer of the broker, and leave the others to kafka-python. Runs on the IO thread.

        A truncated position stays unchecked, so nothing is fetched from it.
        """
        truncated = set()
        for topic in response.topics:
            for answer in topic.partitions:
                key = TopicPartition(topic.topic, answer.partition)
                position = asked.get(key)
                if position is None or answer.error_code or self._position(key) != position:
                    continue
                is_known = answer.end_offset >= 0 and answer.leader_epoch is not None and answer.leader_epoch >= 0
                if not is_known or answer.end_offset < position.offset:
                    truncated.add(key)
                    self._truncations.append(Truncation(key, position, answer.end_offset if is_known else None))
        self._subscriptions.validation_failed(truncated, time.monotonic() + ASK_AGAIN_S)
        others = {key: position for key, position in asked.items() if key not in truncated}
        return super()._handle_offset_for_leader_epoch_response(response, others)

    def _parse_fetched_data(self, completed_fetch: Any) -> Any:
        """Return the records of an answer of the broker, or None.

        kafka-python 3.0.12 forgets the leader epoch of a position at an answer without records, so that it never checks this position again.
        """
        parsed = super()._parse_fetched_data(completed_fetch)
        if parsed is not None and (position := self._position(completed_fetch.topic_partition)) is not None:
            parsed.leader_epoch = position.leader_epoch  # until the first batch is read, which has its own
        return parsed
