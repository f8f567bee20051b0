"""The consumer of one source: kafka-python with its traps closed (see `docs/guarantees.md`).

Rebalances come out of `poll` as values. They happen on kafka-python's IO thread while the owner is blocked inside `poll`; there,
and only there, the listener commits what the owner said may be committed, before the partitions go. An assigned partition is always
read from its committed offset, whatever position the client remembers of an earlier assignment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition, errors

from pipeline.contracts.values import Assigned, Commit, Partition, Polled, Revoked, SourceEvent, Stalled
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.client import MENDS_ITSELF_NOT, connected, unavailable
from pipeline.kafka_io.consumer import (
    Rebalance,
    Rebalances,
    discard,
    ends_by_leader,
    keep_joining,
    known_position,
    open_consumer,
    take_up_parked,
)
from pipeline.kafka_io.header_names import read_malformed_header_names
from pipeline.kafka_io.liveness import Outage
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.stall_watch import Remedy, StallTimes, StallWatch
from pipeline.kafka_io.start_offsets import KnownTopic, StartOffsets, encode_commits, topic_id
from schemas.log import Record

COMMIT_LIMIT_MS = 5_000
CLOSE_LIMIT_MS = 5_000
ASK_LIMIT_MS = 1_000
REBUILD_LIMIT_MS = 3_000
POSITIONS_EVERY_S = 0.2
RETRY_PAUSE_S = 0.2

_log = logging.getLogger("log2mq.kafka")


class KafkaSource:
    """A `Source` over a consumer group, or over fixed ranges of partitions for a replay."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        client_id: str,
        environment: Mapping[str, str],
        ranges: Mapping[Partition, tuple[int, int]] | None = None,
        stall_times: StallTimes = StallTimes(),  # noqa: B008 - a frozen value
    ) -> None:
        """Connect. With `ranges` (partition to from, to) those are read, and the group only keeps their commits.

        Raises:
            SourceUnavailable: no broker answers for `kafka.give_up_after`, the login is refused, or a topic is not there.
        """
        self._settings = settings
        self._client_id = client_id
        self._environment = environment
        self._ranges = FixedRanges(ranges) if ranges is not None else None
        self._owned: set[Partition] = set()
        self._paused: set[Partition] = set()  # by the owner; the client may take others for paused
        self._known: dict[str, KnownTopic] = {}
        self._ends: dict[Partition, int] = {}
        self._outage = Outage(settings.give_up_after / 1000, time.monotonic())
        self._watch = StallWatch(time.monotonic(), stall_times)
        self._is_repaired = False
        self._positions_due_s = 0.0
        self._consumer, self._rebalances = connected(settings, self._connect)
        if self._ranges is not None:
            self._rebalances.noted.append(Rebalance(gained=True, partitions=frozenset(self._ranges.bounds)))

    # --- poll ----------------------------------------------------------------------------------------------------------------

    def poll(self, timeout_ms: int, committable: Mapping[Partition, Commit]) -> Polled:
        """Return what arrived; see `interfaces.Source`."""
        self._rebalances.committable = dict(committable)
        found: Mapping[Any, Sequence[Record]] = {}
        noticed: list[SourceEvent] = []
        keep_joining(self._consumer)
        take_up_parked(self._consumer)
        try:
            found = self._consumer.poll(timeout_ms=timeout_ms, max_records=self._settings.max_poll_records)
        except errors.NoOffsetForPartitionError:
            pass  # a partition nobody has committed: its start is settled below
        except (errors.OffsetOutOfRangeError, errors.LogTruncationError) as error:
            noticed = self._answer_lost(error)
        except errors.CorruptRecordError as error:
            self._repair(error)
        except errors.KafkaError as error:
            self._bear(error)
        else:
            self._look_alive(with_records=bool(found))
            noticed = self._free_stalled(sum(map(len, found.values())))
        is_due = time.monotonic() >= self._positions_due_s
        events, fresh = self._events(look_for_topics_made_anew=is_due)
        records = {
            partition: batch
            for key, batch in found.items()
            if (partition := Partition(*key)) in self._owned and partition not in fresh
        }
        if self._ranges is not None:
            records = self._ranges.cut(records)
        return Polled([*events, *noticed], records, self._positions(records, of_all=is_due))

    def _events(self, *, look_for_topics_made_anew: bool) -> tuple[list[SourceEvent], set[Partition]]:
        """Turn what the listener noted into events, and settle where new partitions are read from."""
        events: list[SourceEvent] = []
        fresh: set[Partition] = set()
        noted, self._rebalances.noted = self._rebalances.noted, []
        for rebalance in noted:
            if rebalance.gained:
                self._owned |= rebalance.partitions
                fresh |= rebalance.partitions
            else:
                self._owned -= rebalance.partitions
                fresh -= rebalance.partitions
                if rebalance.partitions:
                    events.append(Revoked(rebalance.partitions))
        if (fresh or look_for_topics_made_anew) and self._ranges is None:
            fresh |= self._made_anew()
        if fresh:
            try:
                events += self._settle(fresh)
            except errors.KafkaError as error:
                self._rebalances.noted.append(
                    Rebalance(gained=True, partitions=frozenset(fresh))
                )  # tried again at the next poll
                self._owned -= fresh
                self._bear(error)
        return events, fresh

    def _settle(self, partitions: set[Partition]) -> list[SourceEvent]:
        resolver = self._resolver()
        lost: list[SourceEvent] = []
        if self._ranges is None:
            starts, lost = resolver.resolve(partitions)
        else:
            starts = resolver.resolve_ranges({partition: self._ranges.bounds[partition] for partition in partitions})
        for partition, start in starts.items():
            self._begin(partition, start.offset)
        return [Assigned(starts), *lost]

    def _begin(self, partition: Partition, offset: int) -> None:
        """Read a partition from `offset`, which is not paused any more."""
        self._paused.discard(partition)
        if self._ranges is not None:
            self._ranges.reopen(partition)
        self._consumer.seek(TopicPartition(*partition), offset)
        self._consumer.resume(TopicPartition(*partition))

    def _positions(self, records: Mapping[Partition, Sequence[Record]], *, of_all: bool) -> dict[Partition, int]:
        """How far has been read: past the records returned, and now and then of all partitions, since gaps return no record."""
        asked: set[Partition] = set(records)
        if of_all:
            self._positions_due_s = time.monotonic() + POSITIONS_EVERY_S
            asked |= self._owned
        positions = {}
        for partition in asked:
            position = self._position(partition)
            if position is None:
                continue
            if self._ranges is not None:
                position = self._ranges.reach(partition, position)
            positions[partition] = position
        if self._ranges is not None and (finished := self._ranges.finished):
            self._consumer.pause(*[TopicPartition(*each) for each in finished])
        return positions

    def _position(self, partition: Partition) -> int | None:
        return known_position(self._consumer, partition)

    # --- trouble -------------------------------------------------------------------------------------------------------------

    def _answer_lost(self, error: Exception) -> list[SourceEvent]:
        """Offsets went away while they were being read: settle those partitions anew from where reading stood."""
        is_truncation = isinstance(error, errors.LogTruncationError)
        places: Mapping[Any, Any] = error.divergent_offsets if is_truncation else error.args[0]  # type: ignore[attr-defined]
        resolver = self._resolver()
        events: list[SourceEvent] = []
        for key, place in places.items():
            partition = Partition(*key)
            position = self._position(partition)
            if partition not in self._owned or position is None:
                continue
            if is_truncation:
                offset, lost = resolver.after_truncation(partition, position, getattr(place, "offset", None))
            else:
                offset, lost = resolver.within_reach(partition, position)
            self._begin(partition, offset)
            # A new epoch: the offsets that were unfinished may name other records now.
            events += [Assigned({partition: Commit(offset, resolver.metadata(partition))}), *lost]
        return events

    def _made_anew(self) -> set[Partition]:
        """Return the partitions of topics that were deleted and made anew while they were read, which the brokers tell within half a minute.

        Their offsets name other records now.
        """
        changed = {
            topic
            for topic in {partition.topic for partition in self._owned}
            if (before := self._known.get(topic, KnownTopic()).topic_id)
            and (now := topic_id(self._consumer, topic))
            and before != now
        }
        return {partition for partition in self._owned if partition.topic in changed}

    def _repair(self, error: errors.CorruptRecordError) -> None:
        """A record that kafka-python cannot read. After its first complaint the client is of no more use: its next `poll` never returns.

        Once, a new client is made that takes header names which are no UTF-8, as other consumers do; what it cannot read is damaged.
        """
        if self._is_repaired:
            raise SourceUnavailable(
                f"a record cannot be read ({str(error)[:200]}); the partitions stand at "
                f"{', '.join(f'{each.topic}:{each.partition}:{self._position(each)}' for each in sorted(self._owned))}. To pass over it, set the "
                f"offset of the group {self._settings.group} behind it (kafka-consumer-groups.sh --reset-offsets)"
            ) from None
        self._is_repaired = True
        read_malformed_header_names()
        self._rebuild(self._settings.connect_timeout)

    def _look_alive(self, *, with_records: bool) -> None:
        """`poll` returns nothing, and raises nothing, while no broker answers: after a silence, ask a question that needs an answer."""
        now_s = time.monotonic()
        if with_records or not self._outage.ask_due(now_s):
            if with_records and self._outage.answered(now_s, with_records=True):
                _log.warning("the brokers answer again")
            return
        try:
            self._ask()
        except errors.KafkaError as error:
            self._bear(error)
            return
        if self._outage.answered(time.monotonic()):
            _log.warning("the brokers answer again")
        self._learn_ends(self._owned)

    def _ask(self) -> None:
        """Ask for the end of one partition. Raises KafkaError where nobody answers."""
        partition = next(iter(self._owned), None)
        if partition is None:  # another member has all, or there is no topic yet
            topic = next(iter(self._consumer.subscription() or self._settings.topics or ()), None)
            partition = Partition(topic, 0) if topic is not None else None
        if partition is not None:
            self._consumer.end_offsets([TopicPartition(*partition)], timeout_ms=ASK_LIMIT_MS)

    def _learn_ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """What is paused is not fetched, so its end is asked for: in a long outage the lag is what a person looks at."""
        ends = ends_by_leader(self._consumer, partitions, ASK_LIMIT_MS)
        self._ends.update(ends)
        return ends

    def _free_stalled(self, count: int) -> list[SourceEvent]:
        """After a poll that returned `count` records: see that partitions which have more to read are read on, and return those that were not."""
        now_s = time.monotonic()
        if not self._watch.look_due(now_s, is_full=count >= self._settings.max_poll_records):
            return []
        if self._outage.is_on:
            self._watch.forget(now_s)
            return []
        finished = self._ranges.finished if self._ranges is not None else frozenset()
        positions = {each: at for each in self._owned - finished if (at := self._position(each)) is not None}
        asked = self._watch.look(now_s, positions, self._paused)
        stalls = self._watch.learn(now_s, asked, self._learn_ends(asked)) if asked else []
        for stall in stalls:
            _log.warning(
                "%s:%d has stood at offset %d for %d s though there are records up to %d; %s",
                *stall.partition,
                stall.position,
                stall.for_s,
                stall.end - 1,
                "it is read anew from there" if stall.remedy is Remedy.SEEK else "a new client is made",
            )
            if self._position(stall.partition) == stall.position:
                self._begin(stall.partition, stall.position)
        if any(stall.remedy is Remedy.REBUILD for stall in stalls):
            if self._ranges is None:
                self.commit(self._rebalances.committable)
            with suppress(SourceUnavailable):  # the old client goes on trying
                self._rebuild(REBUILD_LIMIT_MS)
            self._watch.rebuilt(time.monotonic())
        return [Stalled(stall.partition) for stall in stalls if stall.remedy is Remedy.SEEK]

    def _bear(self, error: Exception) -> None:
        """An error that may pass: wait a little, make a new client if it lasts, give up when it lasts too long."""
        if isinstance(error, MENDS_ITSELF_NOT):
            raise unavailable(self._settings, error, "reading") from None
        now_s = time.monotonic()
        if self._outage.failed(now_s):
            _log.warning(
                "reading fails (%s); trying for %d s", type(error).__name__, self._settings.give_up_after // 1000
            )
        if self._outage.is_over_limit(now_s):
            raise unavailable(self._settings, error, f"reading for {self._settings.give_up_after // 1000} s") from None
        if self._outage.rebuild_due(now_s):
            try:
                self._rebuild(REBUILD_LIMIT_MS)
            except SourceUnavailable:
                return  # still away: the old client goes on trying
        time.sleep(RETRY_PAUSE_S)

    def _rebuild(self, limit_ms: int) -> None:
        """Make a new client in the place of the old one.

        A member of a group comes back as a new one, and reads what it is given from the committed offsets. A replay has its partitions for
        itself: it reads on where it stood, and what is in flight stays in flight.
        """
        consumer, rebalances = self._connect(limit_ms)
        if self._ranges is not None:
            rebalances.noted = self._rebalances.noted
            for partition in self._owned:
                if (position := self._position(partition)) is not None:
                    consumer.seek(TopicPartition(*partition), position)
            consumer.pause(*[TopicPartition(*each) for each in self._paused | self._ranges.finished])
        else:
            rebalances.noted.append(Rebalance(gained=False, partitions=frozenset(self._owned)))
        old, self._consumer = self._consumer, consumer
        self._rebalances.is_retired = True
        self._rebalances = rebalances
        discard(old)

    # --- the rest of the contract ----------------------------------------------------------------------------------------------

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:
        """Commit and say whether the brokers took it; see `interfaces.Source`."""
        if not offsets:
            return True
        try:
            self._consumer.commit(self._encode(offsets), timeout_ms=COMMIT_LIMIT_MS)
        except MENDS_ITSELF_NOT as error:
            raise unavailable(self._settings, error, "committing") from None
        except errors.KafkaError as error:
            _log.info("a commit was not taken (%s); it is tried again", type(error).__name__)
            return False
        return True

    def seek(self, partition: Partition, offset: int) -> None:
        """Read the partition from `offset` next."""
        self._consumer.seek(TopicPartition(*partition), offset)
        if self._ranges is not None and self._ranges.reopen(partition):
            self._consumer.resume(TopicPartition(*partition))

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Return no records of these partitions until they are resumed."""
        owned = self._owned.intersection(partitions)
        self._paused |= owned
        self._consumer.pause(*[TopicPartition(*each) for each in owned])

    def resume(self, partitions: Sequence[Partition]) -> None:
        """End a pause; a range read to its end stays paused."""
        self._paused.difference_update(partitions)
        finished = self._ranges.finished if self._ranges is not None else frozenset()
        self._consumer.resume(*[TopicPartition(*each) for each in partitions if each in self._owned - finished])

    def lag(self) -> dict[Partition, int]:
        """Records not yet read, per partition, from memory: as fresh as the last fetch, or five seconds where nothing is fetched."""
        lag = {}
        for partition in self._owned:
            position = self._position(partition)
            if self._ranges is not None:
                lag[partition] = self._ranges.lag(partition, position)
            elif position is not None:
                newest = max(self._consumer.highwater(TopicPartition(*partition)) or 0, self._ends.get(partition, 0))
                lag[partition] = max(0, newest - position)
        return lag

    def ended(self) -> bool:
        """Whether every range was read to its end."""
        return self._ranges is not None and self._ranges.is_read

    def close(self) -> None:
        """Leave the group. Commits nothing."""
        self._rebalances.is_retired = True
        discard(self._consumer, CLOSE_LIMIT_MS)

    # --- connecting ------------------------------------------------------------------------------------------------------------

    def _connect(self, limit_ms: int) -> tuple[KafkaConsumer, Rebalances]:
        settings = self._settings
        consumer = open_consumer(settings, self._environment, self._client_id, limit_ms)
        rebalances = Rebalances(consumer, self._encode)
        if self._ranges is not None:
            consumer.assign([TopicPartition(*each) for each in self._ranges.bounds])
            return consumer, rebalances
        try:
            consumer.subscribe(topics=list(settings.topics or ()), pattern=settings.topic_pattern, listener=rebalances)
        except errors.KafkaError as error:
            discard(consumer)
            raise unavailable(settings, error, "subscribing") from None
        return consumer, rebalances

    def _resolver(self) -> StartOffsets:
        return StartOffsets(self._consumer, self._settings, self._known, self._ends)

    def _encode(self, commits: Mapping[Partition, Commit]) -> dict[TopicPartition, OffsetAndMetadata]:
        return encode_commits(commits, self._known, self._consumer)
