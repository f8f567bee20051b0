"""The start of a source's partitions: after a rebalance, after a loss of offsets, and after their topic was deleted and created again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from kafka import errors

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Assigned, Commit, Leaving, Partition, Revoked, SourceEvent
from pipeline.kafka_io.broker_liveness import BrokerLiveness
from pipeline.kafka_io.consumer import OwnershipChange, Rebalance
from pipeline.kafka_io.known_topics import KnownTopic
from pipeline.kafka_io.source_client import SourceClient
from pipeline.kafka_io.start_offsets import StartOffsets


class PartitionStarts:
    """Applies rebalances and losses of offsets to one source's client, and returns them as events."""

    def __init__(self, client: SourceClient, liveness: BrokerLiveness) -> None:
        """Begin with no partition owned."""
        self._client = client
        self._liveness = liveness
        self._kept_until: dict[Partition, int | None] = {}  # by truncated partition; None where nobody knows it

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

    def apply_out_of_range(self, partitions: Iterable[Partition]) -> list[SourceEvent]:
        """Seek to the next readable offset of partitions whose position is gone, and return the events.

        If the brokers do not answer, the position stays, so that a later poll finds the loss again.

        Raises:
            SourceUnavailable: `kafka.on_lost_offsets` is `halt`, or see `BrokerLiveness.wait_out`.
        """
        return self._begin_anew(partitions, StartOffsets.nearest_offset)

    def apply_truncations(self) -> list[SourceEvent]:
        """Go back to where a truncated log differs from what was read of it, and return the events.

        If the brokers do not answer, the partition stays paused, and a later call tries again.

        Raises:
            SourceUnavailable: `kafka.on_lost_offsets` is `halt`, or see `BrokerLiveness.wait_out`.
        """
        pauses, client = self._client.pauses, self._client
        for truncation in client.truncations():
            if (partition := Partition(*truncation.key)) in client.owned:
                self._kept_until[partition] = truncation.kept_until
                pauses.add(PauseReason.TRUNCATED, [partition])
        if not (truncated := pauses.because(PauseReason.TRUNCATED)):
            return []
        self._kept_until = {each: until for each, until in self._kept_until.items() if each in truncated}
        for partition, until in self._kept_until.items():
            position = client.position(partition)
            if until is not None and position is not None and position <= until:
                pauses.end(
                    PauseReason.TRUNCATED, [partition]
                )  # sought meanwhile: nothing is read that is not there any more
        return self._begin_anew(
            pauses.because(PauseReason.TRUNCATED),
            lambda starts, each, position: starts.after_truncation(each, position, self._kept_until[each]),
        )

    def _begin_anew(
        self,
        partitions: Iterable[Partition],
        find: Callable[[StartOffsets, Partition, int], tuple[int, Sequence[SourceEvent]]],
    ) -> list[SourceEvent]:
        """Read partitions from the offset that `find` returns for each position. Stop at the first question that the brokers do not answer."""
        events: list[SourceEvent] = []
        start_offsets = self._client.start_offsets()
        for partition in partitions:
            position = self._client.position(partition)
            if partition not in self._client.owned or position is None:
                continue
            try:
                offset, lost = find(start_offsets, partition, position)
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
            starts = start_offsets.resolve_ranges(partitions, client.ranges)
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
