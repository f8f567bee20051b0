"""Carries out the pauses of a source. Only this file calls `pause` and `resume` of kafka-python."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from kafka import KafkaConsumer

from pipeline.contracts.values import Partition


def apply_pauses(consumer: KafkaConsumer, paused: AbstractSet[Partition]) -> None:
    """Let the next `poll` return records of the partitions assigned that are not in `paused`, and of no other. Called before each `poll`.

    kafka-python keeps a flag for each partition assigned. A new consumer, or a partition that is assigned again, begins with another flag than the
    job wants, so each flag is compared and not only the changes passed on.
    """
    stopped = consumer.paused()
    consumer.pause(*[key for key in consumer.assignment() - stopped if key in paused])  # equal to a `Partition`
    consumer.resume(*[key for key in stopped if key not in paused])


def take_up_parked(consumer: KafkaConsumer) -> None:
    """Let a partition that was paused and resumed be read on. Called before each `poll`, after `apply_pauses`.

    kafka-python 3.0.12 parks the fetched records of a paused partition, and does not fetch a partition whose records are parked. It returns parked
    records only while its buffer is None. A buffer that is read to its end is not None, so the records could stay parked for ever: this function
    sets it to None. A buffer that is not at its end is parked behind the parked records, so that partitions take turns: while other partitions
    have many records, no poll may ever end with an empty buffer.
    """
    fetcher = consumer._fetcher  # noqa: SLF001 - there is no other way to it
    buffer, parked = fetcher._next_partition_records, fetcher._paused_partition_records  # noqa: SLF001
    if buffer is None:
        return
    if buffer:
        paused = consumer.paused() if parked else set()
        if all(each in paused for each in parked):
            return
        parked[buffer.topic_partition] = buffer
    fetcher._next_partition_records = None  # noqa: SLF001
