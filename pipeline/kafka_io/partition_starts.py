"""The start of a source's partitions: after a rebalance, after a loss of offsets, and after their topic was deleted and created again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import errors

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Assigned, Commit, Leaving, Partition, Revoked, SourceEvent
from pipeline.kafka_io.broker_liveness import BrokerLiveness
from pipeline.kafka_io.consumer import OwnershipChange, Rebalance
from pipeline.kafka_io.source_client import SourceClient
from pipeline.kafka_io.start_offsets import KnownTopic


class PartitionStarts:
    """Applies rebalances and losses of offsets to one source's client, and returns them as events."""

    def __init__(self, client: SourceClient, liveness: BrokerLiveness) -> None:
        """Begin with no partition owned."""
        self._client = client
        self._liveness = liveness

    def apply_rebalances(self, *, look_for_recreated: bool) -> tuple[list[SourceEvent], set[Partition]]:
        """Begin to read the partitions gained, and return the events and these partitions.

        With `look_for_recreated`, partitions of a topic that was deleted and created again count as gained.

        Raises:
            SourceUnavailable: offsets are gone and `kafka.on_lost_offsets` is `halt`, or see `BrokerLiveness.wait_out`.
        """
        client = self._client
        events: list[SourceEvent] = []
        fresh: set[Partition] = set()
        for rebalance in client.rebalances.take():
            change, partitions = rebalance
            client.owned -= partitions
            client.pauses.forget(partitions)
            fresh -= partitions
            if change is OwnershipChange.GAINED:
                client.owned |= partitions
                fresh |= partitions
            elif change is OwnershipChange.LEAVING:
                client.pauses.add(PauseReason.LEAVING, partitions)
                events.append(Leaving(partitions))
            elif partitions:
                events.append(Revoked(partitions))
        if (fresh or look_for_recreated) and client.ranges is None:
            fresh |= self._recreated()
        if fresh:
            try:
                events += self._start(fresh)
            except errors.KafkaError as error:
                # The next poll tries again.
                client.rebalances.noted.append(Rebalance(OwnershipChange.GAINED, frozenset(fresh)))
                client.owned -= fresh
                self._liveness.wait_out(error)
        return events, fresh

    def apply_lost(self, loss: Exception) -> list[SourceEvent]:
        """Seek to the next readable offset of partitions whose offsets were lost while they were read, and return the events.

        If the brokers do not answer, the position stays, so that a later poll raises the loss again.

        Raises:
            SourceUnavailable: `kafka.on_lost_offsets` is `halt`, or see `BrokerLiveness.wait_out`.
        """
        is_truncation = isinstance(loss, errors.LogTruncationError)
        places: Mapping[Any, Any] = loss.divergent_offsets if is_truncation else loss.args[0]  # type: ignore[attr-defined]
        start_offsets = self._client.start_offsets()
        events: list[SourceEvent] = []
        for key, place in places.items():
            partition = Partition(*key)
            position = self._client.position(partition)
            if partition not in self._client.owned or position is None:
                continue
            try:
                if is_truncation:
                    offset, lost = start_offsets.after_truncation(partition, position, getattr(place, "offset", None))
                else:
                    offset, lost = start_offsets.nearest_offset(partition, position)
                metadata = start_offsets.metadata(partition)
            except errors.KafkaError as error:
                self._liveness.wait_out(error)
                break
            self._client.start_reading(partition, offset)
            # A new epoch: the offsets that are not finished may name other records now.
            events += [self._assigned({partition: Commit(offset, metadata)}), *lost]
        return events

    def _start(self, partitions: set[Partition]) -> list[SourceEvent]:
        client = self._client
        start_offsets = client.start_offsets()
        lost: list[SourceEvent] = []
        if client.ranges is None:
            starts, lost = start_offsets.resolve(partitions)
        else:
            bounds = client.ranges.bounds
            starts = start_offsets.resolve_ranges({partition: bounds[partition] for partition in partitions})
        for partition, start in starts.items():
            client.start_reading(partition, start.offset)
        return [self._assigned(starts), *lost]

    def _assigned(self, starts: Mapping[Partition, Commit]) -> Assigned:
        """Return the event for these starts, with the IDs of their topics."""
        known = self._client.known_topics
        topics = {partition.topic for partition in starts}
        return Assigned(starts, {topic: known[topic].topic_id for topic in topics if topic in known})

    def _recreated(self) -> set[Partition]:
        """Return the owned partitions of topics that were deleted and created again: their offsets name other records now.

        A client learns of it within `kafka.metadata_max_age`.
        """
        client = self._client
        topics = {
            topic
            for topic in {partition.topic for partition in client.owned}
            if (before := client.known_topics.get(topic, KnownTopic()).topic_id)
            and (now := client.topic_id(topic))
            and before != now
        }
        return {partition for partition in client.owned if partition.topic in topics}
