"""Questions to the brokers for the offsets of partitions, each with an exception of kafka-python where the answer is not whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition, errors

from pipeline.contracts.values import Partition


def beginning_offsets(consumer: KafkaConsumer, partitions: Iterable[Partition]) -> dict[Partition, int]:
    """Return the oldest offset of each partition that is still there.

    Raises:
        kafka.errors.LeaderNotAvailableError: some of the partitions have no leader.
        kafka.errors.KafkaError: the brokers do not answer.
    """
    return _ask(consumer.beginning_offsets, partitions)


def end_offsets(
    consumer: KafkaConsumer, partitions: Iterable[Partition], limit_ms: int | None = None
) -> dict[Partition, int]:
    """Return the offset after the newest record of each partition that may be read: not past an open transaction.

    The brokers must answer within `limit_ms`, or within kafka-python's `request_timeout_ms`.

    Raises:
        kafka.errors.LeaderNotAvailableError: some of the partitions have no leader.
        kafka.errors.KafkaError: the brokers do not answer.
    """
    return _ask(consumer.end_offsets, partitions, timeout_ms=limit_ms)


def committed_offsets(
    consumer: KafkaConsumer, partitions: Iterable[Partition], limit_ms: int
) -> dict[Partition, OffsetAndMetadata]:
    """Return the commit of each partition that has one, in one question. kafka-python's `committed` asks for one partition.

    Raises:
        kafka.errors.KafkaError: the brokers do not answer within `limit_ms`.
    """
    asked = [TopicPartition(*each) for each in partitions]
    coordinator = consumer._coordinator  # noqa: SLF001 - there is no other way to ask for several
    return {Partition(*key): found for key, found in coordinator.fetch_committed_offsets(asked, limit_ms).items()}


def end_offsets_of_leaders(
    consumer: KafkaConsumer, partitions: Iterable[Partition], limit_ms: int
) -> dict[Partition, int]:
    """Return the end offset of each partition whose leader answers within `limit_ms`.

    Each leader is asked by itself, since kafka-python answers for all partitions of one call or for none.
    """
    by_leader: dict[int, list[Partition]] = {}
    for partition in partitions:
        leader = consumer._cluster.leader_for_partition(TopicPartition(*partition))  # noqa: SLF001 - there is no other way to it
        if leader is not None and leader >= 0:
            by_leader.setdefault(leader, []).append(partition)
    ends: dict[Partition, int] = {}
    for led in by_leader.values():
        with suppress(errors.KafkaError):
            ends |= end_offsets(consumer, led, limit_ms)
    return ends


def offsets_at_time(
    consumer: KafkaConsumer, partitions: Iterable[Partition], time_ms: int
) -> dict[Partition, int | None]:
    """Return the first offset of each partition at or after a time; None where the partition has none.

    Raises:
        kafka.errors.KafkaError: the brokers do not answer, or a partition has no leader.
    """
    found = consumer.offsets_for_times({TopicPartition(*partition): time_ms for partition in partitions})
    # kafka-python answers None for a partition without a leader too. Asked for it alone, it waits for the leader.
    for key in [key for key, answer in found.items() if answer is None]:
        found |= consumer.offsets_for_times({key: time_ms})
    return {Partition(*key): int(answer.offset) if answer is not None else None for key, answer in found.items()}


def _ask(
    ask: Callable[..., Mapping[TopicPartition, int]], partitions: Iterable[Partition], **options: Any
) -> dict[Partition, int]:
    try:
        answer = ask([TopicPartition(*each) for each in partitions], **options)
    except (
        KeyError
    ) as error:  # kafka-python leaves out a partition without a leader, and then looks it up in its answer
        raise errors.LeaderNotAvailableError(f"no leader: {error}") from None
    return {Partition(*key): int(offset) for key, offset in answer.items()}
