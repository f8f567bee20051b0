"""How a consumer is opened and closed, its rebalances, and workarounds for its faults."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition, errors

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.values import Commit, Partition
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.assignors import CooperativeSticky, RoundRobin
from pipeline.kafka_io.bounded_fetch import ReadBounds
from pipeline.kafka_io.client import NO_DEADLINE, client_settings, open_client, unavailable
from pipeline.kafka_io.group_coordinator import GroupCoordinator
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.truncation import TruncationFetcher

CLOSE_LIMIT_MS = 1_000

HEARTBEAT_MS = 1_000
"""The longest time between two heartbeats. A member learns of a rebalance by the answer to a heartbeat, so a rebalance takes about as long."""

MOST_BYTES_A_PARTITION = 4 << 20
"""The most bytes that one fetch reads of one partition. A larger record is still fetched, alone (KIP-74)."""

_log = logging.getLogger("log2mq.kafka")


class OwnershipChange(Enum):
    """What a rebalance does to partitions of a member."""

    GAINED = "gained"
    LEAVING = "to be released by the job"
    GONE = "gone"


class Rebalance(NamedTuple):
    """Partitions that a member gained, is to release, or has no more."""

    change: OwnershipChange
    partitions: frozenset[Partition]


class Rebalances(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Notes the rebalances of one consumer, and commits partitions before they are revoked.

    Its methods run on kafka-python's IO thread while the owner thread waits in `poll` or `close`: the two never run at the same time.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        encode: Callable[[Mapping[Partition, Commit]], dict[TopicPartition, OffsetAndMetadata]],
    ) -> None:
        self.noted: list[Rebalance] = []
        self.committable: dict[Partition, Commit] = {}
        self.is_retired = False
        self._encode = encode
        self._consumer = consumer

    @property
    def is_member(self) -> bool:
        """Whether the consumer belongs to its group now."""
        return not self._consumer._coordinator._generation.is_lost()  # noqa: SLF001 - `generation_if_stable` is None in each rebalance

    def take(self) -> list[Rebalance]:
        """Return the rebalances noted since the last call."""
        noted, self.noted = self.noted, []
        return noted

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Commit `committable` of partitions that are about to be revoked.

        Each commit is made once: a partition that comes back may have later offsets by then.
        """
        if self.is_retired:
            return
        partitions = _partitions(revoked)
        self.noted.append(Rebalance(OwnershipChange.GONE, partitions))
        commits = {each: self.committable.pop(each) for each in partitions if each in self.committable}
        if not commits:
            return
        try:
            await self._consumer.commit_async(self._encode(commits))
        except errors.KafkaError as error:
            _log.info(
                "the commit before a rebalance failed (%s); these records are redelivered and recognised",
                type(error).__name__,
            )

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Note the partitions gained."""
        if not self.is_retired:
            self.noted.append(Rebalance(OwnershipChange.GAINED, _partitions(assigned)))

    async def on_partitions_leaving(self, leaving: Any) -> None:
        """Note partitions that the group moves to another member, and that this member holds until it lets go of them."""
        if not self.is_retired:
            self.noted.append(Rebalance(OwnershipChange.LEAVING, _partitions(leaving)))

    async def on_partitions_lost(self, lost: Any) -> None:
        """Note partitions that were lost without a revocation. Another member may own them already, so nothing is committed."""
        if not self.is_retired:
            partitions = _partitions(lost)
            self.noted.append(Rebalance(OwnershipChange.GONE, partitions))
            for each in partitions:
                self.committable.pop(each, None)


def _partitions(partitions: Any) -> frozenset[Partition]:
    return frozenset(Partition(*each) for each in partitions)


def open_consumer(
    settings: KafkaSettings,
    environment: Mapping[str, str],
    client_id: str,
    limit_ms: int,
    *,
    static_id: str | None = None,
    bounds: ReadBounds = ReadBounds(),  # noqa: B008 - a frozen value
    deadline: Deadline = NO_DEADLINE,
) -> KafkaConsumer:
    """Return a connected consumer, after a check that the topics exist. `static_id` makes it a static member of its group (KIP-345).

    `deadline` is that of the job.

    Raises:
        SourceUnavailable: no broker answers within `limit_ms`, the login is refused, or a topic does not exist.
    """
    try:
        consumer = open_client(
            KafkaConsumer,
            deadline,
            **{**client_settings(settings, environment, client_id), "bootstrap_timeout_ms": limit_ms},
            group_id=settings.group,
            group_instance_id=static_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level=settings.isolation_level,
            max_poll_records=settings.max_poll_records,
            max_poll_interval_ms=settings.max_poll_interval,
            session_timeout_ms=settings.session_timeout,
            heartbeat_interval_ms=min(HEARTBEAT_MS, settings.session_timeout // 3),
            fetch_max_bytes=settings.fetch_max_bytes,
            max_partition_fetch_bytes=min(settings.fetch_max_bytes, MOST_BYTES_A_PARTITION),
            partition_assignment_strategy=(CooperativeSticky, RoundRobin),
            allow_auto_create_topics=False,
            metadata_max_age_ms=settings.metadata_max_age,
            metrics_enabled=False,
        )
    except errors.KafkaError as error:
        raise unavailable(settings, error, "connecting") from None
    GroupCoordinator.take_over(consumer)
    TruncationFetcher.take_over(consumer, bounds)
    try:
        _require_topics(consumer, settings)
    except errors.KafkaError as error:
        discard(consumer)
        raise unavailable(settings, error, "looking for the topics") from None
    except SourceUnavailable:
        discard(consumer)
        raise
    return consumer


def known_position(consumer: KafkaConsumer, partition: Partition) -> int | None:
    """Return the offset that is read next, or None while the partition has no position. Asks no broker, which kafka-python's `position` may do."""
    state = consumer._subscription.assignment.get(TopicPartition(*partition))  # noqa: SLF001 - there is no other way to it
    return state.position.offset if state is not None and state.position is not None else None


def discard(consumer: KafkaConsumer, limit_ms: int = CLOSE_LIMIT_MS, *, leaves_group: bool = True) -> None:
    """Close a consumer in any state. With `leaves_group` its partitions go to other members at once; else a static member stays in the group."""
    consumer._coordinator.leaves_group = leaves_group  # noqa: SLF001 - see `GroupCoordinator`
    try:
        consumer.close(autocommit=False, timeout_ms=limit_ms)
    except errors.KafkaError as error:
        _log.info(
            "leaving the group failed (%s); the brokers evict the member after kafka.session_timeout",
            type(error).__name__,
        )


def _require_topics(consumer: KafkaConsumer, settings: KafkaSettings) -> None:
    existing = set(consumer.topics())
    for topic in settings.topics or ():
        if topic not in existing:
            near = difflib.get_close_matches(topic, existing, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "create it, or correct kafka.topics"
            raise SourceUnavailable(
                f"the topic {topic} does not exist on {', '.join(settings.bootstrap_servers)}; {hint}"
            )
    pattern = settings.topic_pattern
    if pattern is not None and not any(re.match(pattern, topic) for topic in existing):
        _log.warning("no topic matches kafka.topic_pattern yet; waiting for one")
