"""The consumer of one source: kafka-python with its traps closed (see `docs/guarantees.md`).

Rebalances come out of `poll` as values. They happen on kafka-python's IO thread while the owner is blocked inside `poll`; there,
and only there, the listener commits what the owner
said may be committed, before the partitions go. An assigned partition is always read from its committed offset, whatever
position the client remembers of an earlier assignment.
"""

from __future__ import annotations

import difflib
import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition, errors
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from pipeline.config.kafka_settings import KafkaSettings
from pipeline.errors import SourceUnavailable
from pipeline.kafka_client import MENDS_ITSELF_NOT, client_settings, unavailable
from pipeline.kafka_start import CommitNote, StartResolver
from pipeline.values import Assigned, Commit, Partition, Polled, Revoked, SourceEvent
from schemas.log import Record

COMMIT_LIMIT_MS = 5_000
REBUILD_AFTER_S = 30.0
"""Errors that last this long are answered with a new client: some leave the old one without its connections."""

POSITIONS_EVERY_S = 0.2
RETRY_PAUSE_S = 0.2

_log = logging.getLogger("log2mq.kafka")


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Runs on the IO thread while the owner waits in `poll` or `close`: the two never run at the same time."""

    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: Any) -> None:
        await self._source.commit_before_revocation({Partition(*each) for each in revoked})

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self._source.note_assigned({Partition(*each) for each in assigned})

    async def on_partitions_lost(self, lost: Any) -> None:
        self._source.note_revoked({Partition(*each) for each in lost})


class KafkaSource:
    """A `Source` over a consumer group, or over fixed ranges of partitions for a replay."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        client_id: str,
        environment: Mapping[str, str],
        ranges: Mapping[Partition, tuple[int, int]] | None = None,
    ) -> None:
        """Connect. With `ranges` (partition to from, to) those are read, and the group only keeps their commits.

        Raises:
            SourceUnavailable: no broker answers, the login is refused, or a topic is not there.
        """
        self._settings = settings
        self._client_id = client_id
        self._environment = environment
        self._ranges = ranges
        self._noted: list[tuple[str, set[Partition]]] = []
        self._owned: set[Partition] = set()
        self._committable: Mapping[Partition, Commit] = {}
        self._born: dict[str, int] = {}
        self._failing_since_s: float | None = None
        self._rebuilt_s = 0.0
        self._positions_due_s = 0.0
        self._finished: set[Partition] = set()
        self._consumer = self._connect()

    # --- poll ----------------------------------------------------------------------------------------------------------------

    def poll(self, timeout_ms: int, committable: Mapping[Partition, Commit]) -> Polled:
        """Return what arrived; see `interfaces.Source`."""
        self._committable = committable
        found: Mapping[Any, Sequence[Record]] = {}
        lost: list[SourceEvent] = []
        try:
            found = self._consumer.poll(timeout_ms=timeout_ms, max_records=self._settings.max_poll_records)
            self._failing_since_s = None
        except errors.NoOffsetForPartitionError:
            pass  # a partition nobody has committed: its start is settled below
        except (errors.OffsetOutOfRangeError, errors.LogTruncationError) as error:
            lost = self._answer_lost(error)
        except MENDS_ITSELF_NOT as error:
            raise unavailable(self._settings, error, "reading") from None
        except errors.KafkaError as error:
            self._bear(error)
        events, fresh = self._events()
        records = {
            partition: batch
            for key, batch in found.items()
            if (partition := Partition(*key)) in self._owned and partition not in fresh
        }
        if self._ranges is not None:
            records = self._within_ranges(records)
        return Polled([*events, *lost], records, self._positions(records))

    def _events(self) -> tuple[list[SourceEvent], set[Partition]]:
        """Turn what the listener noted into events, and settle where new partitions are read from."""
        events: list[SourceEvent] = []
        fresh: set[Partition] = set()
        noted, self._noted = self._noted, []
        for what, partitions in noted:
            if what == "revoked":
                self._owned -= partitions
                fresh -= partitions
                if partitions:
                    events.append(Revoked(frozenset(partitions)))
            else:
                self._owned |= partitions
                fresh |= partitions
        if fresh:
            try:
                events += self._settle(fresh)
            except errors.KafkaError as error:
                self._noted.append(("assigned", fresh))  # tried again at the next poll
                self._owned -= fresh
                self._bear(error)
        return events, fresh

    def _settle(self, partitions: set[Partition]) -> list[SourceEvent]:
        resolver = StartResolver(self._consumer, self._settings, self._born)
        starts, lost = resolver.resolve(partitions, self._ranges)
        for partition, start in starts.items():
            self._consumer.seek(TopicPartition(*partition), start.offset)
        self._consumer.resume(*[TopicPartition(*each) for each in partitions])
        return [Assigned(starts), *lost]

    def _within_ranges(self, records: Mapping[Partition, Sequence[Record]]) -> dict[Partition, Sequence[Record]]:
        assert self._ranges is not None  # noqa: S101 - only called for a replay
        return {
            partition: kept
            for partition, batch in records.items()
            if (
                kept := batch
                if batch[-1].offset < self._ranges[partition][1]
                else [each for each in batch if each.offset < self._ranges[partition][1]]
            )
        }

    def _positions(self, records: Mapping[Partition, Sequence[Record]]) -> dict[Partition, int]:
        """How far has been read: past the records returned, and now and then of all partitions, since gaps return no record."""
        asked: set[Partition] = set(records)
        if (now_s := time.monotonic()) >= self._positions_due_s:
            self._positions_due_s = now_s + POSITIONS_EVERY_S
            asked |= self._owned
        positions = {}
        for partition in asked:
            position = self._position(partition)
            if position is None:
                continue
            if self._ranges is not None and position >= self._ranges[partition][1]:
                position = self._ranges[partition][1]
                if partition not in self._finished:
                    self._finished.add(partition)
                    self._consumer.pause(TopicPartition(*partition))
            positions[partition] = position
        return positions

    def _position(self, partition: Partition) -> int | None:
        try:
            return self._consumer.position(TopicPartition(*partition), timeout_ms=0)  # type: ignore[no-any-return]
        except (errors.KafkaError, AssertionError):
            return None

    # --- trouble -------------------------------------------------------------------------------------------------------------

    def _answer_lost(self, error: Exception) -> list[SourceEvent]:
        """Offsets went away while they were being read: settle those partitions anew from where reading stood."""
        places: Mapping[Any, Any] = (
            error.divergent_offsets if isinstance(error, errors.LogTruncationError) else error.args[0]
        )
        stood = {Partition(*key): self._position(Partition(*key)) for key in places}
        resolver = StartResolver(self._consumer, self._settings, self._born)
        events: list[SourceEvent] = []
        for partition, position in stood.items():
            if partition in self._owned and position is not None:
                offset, lost = resolver.within_reach(partition, position)
                self._consumer.seek(TopicPartition(*partition), offset)
                # A new epoch: the offsets that were unfinished may name other records now.
                events += [Assigned({partition: Commit(offset, resolver.metadata(partition))}), *lost]
        return events

    def _bear(self, error: Exception) -> None:
        """An error that may pass: wait a little, make a new client if it lasts, give up when it lasts too long."""
        if isinstance(error, MENDS_ITSELF_NOT):
            raise unavailable(self._settings, error, "reading") from None
        now_s = time.monotonic()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
            _log.warning("reading fails (%s); trying again", type(error).__name__)
        elif now_s - self._failing_since_s > self._settings.give_up_after / 1000:
            raise unavailable(self._settings, error, f"reading for {self._settings.give_up_after // 1000} s") from None
        elif now_s - max(self._failing_since_s, self._rebuilt_s) > REBUILD_AFTER_S:
            self._rebuilt_s = now_s
            self._rebuild()
        time.sleep(RETRY_PAUSE_S)

    def _rebuild(self) -> None:
        try:
            fresh = self._connect()
        except SourceUnavailable:
            return  # still away: the old client goes on trying
        old, self._consumer = self._consumer, fresh
        self._noted = [
            ("revoked", set(self._owned)),
            *([("assigned", set(self._ranges))] if self._ranges is not None else []),
        ]
        old.close(autocommit=False, timeout_ms=1_000)

    # --- the rest of the contract ----------------------------------------------------------------------------------------------

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:
        """Commit and say whether the brokers took it; see `interfaces.Source`."""
        if not offsets:
            return True
        try:
            self._consumer.commit(self._wire(offsets), timeout_ms=COMMIT_LIMIT_MS)
        except MENDS_ITSELF_NOT as error:
            raise unavailable(self._settings, error, "committing") from None
        except errors.KafkaError as error:
            _log.info("a commit was not taken (%s); it is tried again", type(error).__name__)
            return False
        return True

    def seek(self, partition: Partition, offset: int) -> None:
        """Read the partition from `offset` next."""
        self._consumer.seek(TopicPartition(*partition), offset)

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Return no records of these partitions until they are resumed."""
        self._consumer.pause(*[TopicPartition(*each) for each in partitions if each in self._owned])

    def resume(self, partitions: Sequence[Partition]) -> None:
        """End a pause; a range read to its end stays paused."""
        self._consumer.resume(*[TopicPartition(*each) for each in partitions if each in self._owned - self._finished])

    def lag(self) -> dict[Partition, int]:
        """Records not yet read, per partition, from memory."""
        lag = {}
        for partition in self._owned:
            position = self._position(partition)
            if self._ranges is not None:
                start, until = self._ranges[partition]
                lag[partition] = max(0, until - (position if position is not None else start))
            elif (
                position is not None and (highwater := self._consumer.highwater(TopicPartition(*partition))) is not None
            ):
                lag[partition] = max(0, highwater - position)
        return lag

    def ended(self) -> bool:
        """Whether every range was read to its end."""
        return self._ranges is not None and self._finished >= set(self._ranges)

    def close(self) -> None:
        """Leave the group. Commits nothing."""
        self._committable = {}
        try:
            self._consumer.close(autocommit=False, timeout_ms=COMMIT_LIMIT_MS)
        except errors.KafkaError as error:
            _log.info("leaving the group failed (%s); the brokers notice by themselves", type(error).__name__)

    # --- called by the listener, on the IO thread, while the owner waits ----------------------------------------------------------

    async def commit_before_revocation(self, partitions: set[Partition]) -> None:
        """Commit what may be committed of partitions about to go."""
        self._noted.append(("revoked", partitions))
        commits = {partition: commit for partition, commit in self._committable.items() if partition in partitions}
        if not commits:
            return
        try:
            await self._consumer.commit_async(self._wire(commits))
        except errors.KafkaError as error:
            _log.info(
                "the commit before a rebalance was not taken (%s); those records are read again and recognised",
                type(error).__name__,
            )

    def note_revoked(self, partitions: set[Partition]) -> None:
        """Take note of partitions lost."""
        self._noted.append(("revoked", partitions))

    def note_assigned(self, partitions: set[Partition]) -> None:
        """Take note of partitions gained."""
        self._noted.append(("assigned", partitions))

    # --- connecting ------------------------------------------------------------------------------------------------------------

    def _connect(self) -> KafkaConsumer:
        settings = self._settings
        try:
            consumer = KafkaConsumer(
                **client_settings(settings, self._environment, self._client_id),
                group_id=settings.group,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level=settings.isolation_level,
                max_poll_records=settings.max_poll_records,
                max_poll_interval_ms=settings.max_poll_interval,
                session_timeout_ms=settings.session_timeout,
                heartbeat_interval_ms=min(3_000, settings.session_timeout // 3),
                fetch_max_bytes=settings.fetch_max_bytes,
                max_partition_fetch_bytes=min(settings.fetch_max_bytes, 4 << 20),
                partition_assignment_strategy=(RoundRobinPartitionAssignor,),
                allow_auto_create_topics=False,
                metadata_max_age_ms=60_000,
                metrics_enabled=False,
            )
        except errors.KafkaError as error:
            raise unavailable(settings, error, "connecting") from None
        try:
            self._require_topics(consumer)
            if self._ranges is not None:
                consumer.assign([TopicPartition(*each) for each in self._ranges])
                self._noted.append(("assigned", set(self._ranges)))
            else:
                consumer.subscribe(
                    topics=list(settings.topics or ()), pattern=settings.topic_pattern, listener=_Listener(self)
                )
        except errors.KafkaError as error:
            consumer.close(autocommit=False, timeout_ms=1_000)
            raise unavailable(settings, error, "subscribing") from None
        except SourceUnavailable:
            consumer.close(autocommit=False, timeout_ms=1_000)
            raise
        return consumer

    def _require_topics(self, consumer: KafkaConsumer) -> None:
        there = set(consumer.topics())
        for topic in self._settings.topics or ():
            if topic not in there:
                near = difflib.get_close_matches(topic, there, n=3)
                hint = f"did you mean {' or '.join(near)}?" if near else "create it, or mend kafka.topics"
                raise SourceUnavailable(
                    f"the topic {topic} does not exist on {', '.join(self._settings.bootstrap_servers)}; {hint}"
                )
        pattern = self._settings.topic_pattern
        if pattern is not None and not any(re.match(pattern, topic) for topic in there):
            _log.warning("no topic fits kafka.topic_pattern yet; waiting for one")

    def _wire(self, commits: Mapping[Partition, Commit]) -> dict[TopicPartition, OffsetAndMetadata]:
        return {
            TopicPartition(*partition): OffsetAndMetadata(
                commit.offset, CommitNote(self._born.get(partition.topic, 0), commit.metadata).encode(), -1
            )
            for partition, commit in commits.items()
        }
