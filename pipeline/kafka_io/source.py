"""The records of one source: kafka-python with workarounds for its faults (see `docs/guarantees.md`).

`poll` returns rebalances as values. They happen on kafka-python's IO thread while the owner is blocked inside `poll`. Only there the listener
commits what the owner allowed, before the partitions go. An assigned partition is always read from its committed offset, and not from the
position that the client has of an earlier assignment.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kafka import errors

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.pauses import Pauses
from pipeline.contracts.values import Assigned, Commit, Partition, Polled, SourceEvent, SourceState
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.bounded_fetch import DEFAULT_BATCH_BYTES, ReadBounds
from pipeline.kafka_io.broker_liveness import BrokerLiveness
from pipeline.kafka_io.client import NO_DEADLINE
from pipeline.kafka_io.malformed_headers import read_malformed_header_names
from pipeline.kafka_io.partition_starts import PartitionStarts
from pipeline.kafka_io.range_ends import RangeEnds
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.source_client import SourceClient
from pipeline.kafka_io.stall_recovery import StallRecovery
from pipeline.kafka_io.stall_watch import StallTimes
from pipeline.kafka_io.unpacking import UnpackedTooLarge
from schemas.log import Record

POSITIONS_EVERY_S = 0.2


class KafkaSource:
    """A `Source` over a consumer group, or over fixed ranges of partitions for a replay."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        client_id: str,
        environment: Mapping[str, str],
        ranges: FixedRanges | None = None,
        static_id: str | None = None,
        stall_times: StallTimes = StallTimes(),  # noqa: B008 - a frozen value
        deadline: Deadline = NO_DEADLINE,
        bounds: ReadBounds = ReadBounds(),  # noqa: B008 - a frozen value
    ) -> None:
        """Connect. With `ranges` only these are read, and the group only keeps their commits.

        With `static_id` this is a static member of the group (KIP-345). A process that comes back with the same ID takes its place.
        Once the job ends, each call returns by its `deadline`.

        Raises:
            SourceUnavailable: no broker answers for `kafka.give_up_after`, the login is refused, or a topic does not exist.
        """
        self._ranges = ranges
        self._client = SourceClient(settings, client_id, environment, ranges, static_id, deadline, bounds)
        self._liveness = BrokerLiveness(self._client)
        self._stalls = StallRecovery(self._client, self._liveness, stall_times)
        self._starts = PartitionStarts(self._client, self._liveness)
        self._range_ends = RangeEnds(self._client)
        self._has_rebuilt_for_corrupt = False
        self._positions_due_s = 0.0

    def poll(
        self, timeout_ms: int, committable: Mapping[Partition, Commit], most_bytes: int = DEFAULT_BATCH_BYTES
    ) -> Polled:
        """Return what arrived; see `interfaces.Source`."""
        self._client.rebalances.committable = dict(committable)
        found, noticed = self._fetch(timeout_ms, most_bytes)
        is_due = time.monotonic() >= self._positions_due_s
        events, fresh = self._starts.apply_rebalances(look_for_recreated=is_due)
        truncated = self._starts.apply_truncations()
        fresh.update(*[each.start for each in truncated if isinstance(each, Assigned)])
        records = self._owned_records(found, fresh)
        cut = self._range_ends.cut() if is_due else []
        return Polled([*events, *noticed, *truncated, *cut], records, self._positions(records, of_all=is_due))

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:
        """Commit, and return whether the brokers took it; see `interfaces.Source`."""
        return self._client.commit(offsets)

    def seek(self, partition: Partition, offset: int) -> None:
        """Read the partition from `offset` next."""
        self._client.seek(partition, offset)

    @property
    def pauses(self) -> Pauses:
        """What is not read for now, and why."""
        return self._client.pauses

    def release(self, partitions: Collection[Partition]) -> None:
        """Let go of partitions that are leaving."""
        self._client.release(partitions)

    def lag(self) -> dict[Partition, int]:
        """Return the number of records not yet read, by partition, from memory: as old as the last fetch, or at most five seconds where nothing is fetched."""
        lag = {}
        for partition in self._client.owned:
            position = self._client.position(partition)
            if self._ranges is not None:
                lag[partition] = self._ranges.lag(partition, position)
            elif position is not None:
                lag[partition] = max(0, self._client.newest(partition) - position)
        return lag

    def ended(self) -> bool:
        """Return whether every range was read to its end."""
        return self._ranges is not None and self._client.read_ranges() >= self._ranges.bounds.keys()

    def state(self) -> SourceState:
        """Return how the source stands with its brokers."""
        return SourceState(self._ranges is not None or self._client.rebalances.is_member, self._liveness.is_outage)

    def close(self) -> None:
        """Leave the group. Commits nothing."""
        self._client.close()

    # --- the steps of a poll ---------------------------------------------------------------------------------------------------

    def _fetch(self, timeout_ms: int, most_bytes: int) -> tuple[Mapping[Any, Sequence[Record]], Sequence[SourceEvent]]:
        """Poll the client once, and return its records and the events of lost offsets and stalls."""
        try:
            found = self._client.poll(timeout_ms, most_bytes)
        except errors.NoOffsetForPartitionError:
            return {}, []  # a partition that has no commit yet: `apply_rebalances` finds its start
        except errors.OffsetOutOfRangeError as error:
            return {}, self._starts.apply_out_of_range(Partition(*each) for each in error.args[0])
        except UnpackedTooLarge:
            raise self._unreadable(
                "a message set of an old format comes to more bytes than limits.in_flight allows"
            ) from None
        except errors.CorruptRecordError as error:
            self._rebuild_for_corrupt(error)
            return {}, []
        except errors.KafkaError as error:
            self._liveness.wait_out(error)
            return {}, []
        self._liveness.note_poll(with_records=bool(found))
        return found, self._stalls.note_poll()

    def _rebuild_for_corrupt(self, error: errors.CorruptRecordError) -> None:
        """Make a new client after a record that kafka-python cannot read: the next `poll` of the old one would never return.

        The new client takes header names that are not UTF-8, as other consumers do. It is made once: a record that it cannot read either is
        damaged.

        Raises:
            SourceUnavailable: the record is damaged, or no broker answers.
        """
        settings = self._client.settings
        if self._has_rebuilt_for_corrupt:
            raise self._unreadable(str(error)[:200]) from None
        self._has_rebuilt_for_corrupt = True
        read_malformed_header_names()
        self._client.rebuild(settings.connect_timeout)

    def _unreadable(self, reason: str) -> SourceUnavailable:
        """Return the error for a record that cannot be read."""
        client = self._client
        positions = [f"{each.topic}:{each.partition}:{client.position(each)}" for each in sorted(client.owned)]
        return SourceUnavailable(
            f"a record cannot be read ({reason}); the partitions stand at {', '.join(positions)}. To pass over it, set the "
            f"offset of the group {client.settings.group} behind it (kafka-consumer-groups.sh --reset-offsets)"
        )

    def _owned_records(
        self, found: Mapping[Any, Sequence[Record]], fresh: set[Partition]
    ) -> dict[Partition, Sequence[Record]]:
        """Return the records of owned partitions, within their ranges. The records of `fresh` partitions are left out, since these partitions have new positions."""
        records = {
            partition: batch
            for key, batch in found.items()
            if (partition := Partition(*key)) in self._client.owned and partition not in fresh
        }
        return self._ranges.within(records) if self._ranges is not None else records

    def _positions(self, records: Mapping[Partition, Sequence[Record]], *, of_all: bool) -> dict[Partition, int]:
        """Return the offset after everything read, of the partitions with records, or of all: a gap returns no record."""
        asked: set[Partition] = set(records)
        if of_all:
            self._positions_due_s = time.monotonic() + POSITIONS_EVERY_S
            asked |= self._client.owned
        positions = {}
        for partition in asked:
            position = self._client.position(partition)
            if position is None:
                continue
            positions[partition] = position if self._ranges is None else self._ranges.clamp(partition, position)
        return positions
