"""The model's Kafka: logs, a consumer group with its commits, and a topic of dead letters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random

from pipeline.contracts.pauses import PauseReason, Pauses
from pipeline.contracts.values import Assigned, Commit, Leaving, Partition, Polled, Revoked, SourceEvent, SourceState
from schemas.log import RawRecord, Record
from schemas.refusal import Refusal
from tests.model.records import Told


class Group:
    """The partitions of one topic, what the group has committed, and which member owns which partition."""

    def __init__(self, partitions: int) -> None:
        self.logs: dict[Partition, list[Told]] = {Partition("log", number): [] for number in range(partitions)}
        self.committed: dict[Partition, Commit] = {}
        self.meant: dict[Partition, str] = dict.fromkeys(self.logs, "")  # who is to own a partition
        self.owned: dict[Partition, str] = dict.fromkeys(self.logs, "")  # who may commit it
        self.is_slow = False  # some answers take longer than a lease

    def commit(self, member: str, offsets: Mapping[Partition, Commit]) -> bool:
        """Take a member's commit, if it owns all these partitions."""
        if any(self.owned[partition] != member for partition in offsets):
            return False
        self.committed.update(offsets)
        return True

    def evict(self, member: str) -> None:
        """Take all partitions from a member that sends no heartbeat. It learns of it in its next poll."""
        for partition, owner in self.owned.items():
            if owner == member:
                self.owned[partition] = ""

    def give(self, names: Sequence[str], chance: Random) -> None:
        """Plan a new owner for every partition."""
        for partition in self.meant:
            self.meant[partition] = chance.choice(names) if names else ""


class Member:
    """One member of the group, as the job's `Source`. Poll, commit and close are the protocol's; the group decides."""

    def __init__(self, group: Group, name: str, chance: Random, wait: Callable[[], None]) -> None:
        self._group = group
        self._name = name
        self._chance = chance
        self._wait = wait  # for an answer that takes long
        self._positions: dict[Partition, int] = {}
        self.pauses = Pauses()
        self.error: Exception | None = None  # what the next poll raises

    def poll(self, _timeout_ms: int, committable: Mapping[Partition, Commit], _most_bytes: int) -> Polled:
        """Return rebalances, and some records of partitions that are not paused."""
        if self.error is not None:
            raise self.error
        events: list[SourceEvent] = []
        group = self._group
        meant_for_others = {partition for partition in self._positions if group.meant[partition] != self._name}
        leaving = meant_for_others - self.pauses.because(PauseReason.LEAVING)
        if leaving and self._chance.random() < 0.5:  # a cooperative round
            self.pauses.add(PauseReason.LEAVING, leaving)
            events.append(Leaving(frozenset(leaving)))
        evicted = {partition for partition in self._positions if group.owned[partition] != self._name}
        if gone := frozenset(
            meant_for_others - self.pauses.because(PauseReason.LEAVING) | evicted
        ):  # an eager round, or too late for it
            out = {partition: committable[partition] for partition in gone if partition in committable}
            if out and self._chance.random() < 0.7:  # else the commit on the way out failed
                group.commit(self._name, out)
            self._let_go(gone)
            events.append(Revoked(gone))
        fresh = {
            partition: group.committed.get(partition, Commit(0, ""))
            for partition, name in group.meant.items()
            if name == self._name and not group.owned[partition]
        }
        if fresh:
            self._wait_if_slow()
            fresh = {each: commit for each, commit in fresh.items() if not group.owned[each]}
            for partition, commit in fresh.items():
                group.owned[partition] = self._name
                self._positions[partition] = commit.offset
            self.pauses.forget(fresh)
            events.append(Assigned(fresh))
        records: dict[Partition, Sequence[Record]] = {}
        paused = self.pauses.paused()
        for partition, position in self._positions.items():
            told = group.logs[partition][position : position + self._chance.randint(0, 9)]
            if told and partition not in paused and partition not in fresh:
                records[partition] = [
                    RawRecord(*partition, position + place, each.time_ms, None, each.value)
                    for place, each in enumerate(told)
                ]
                self._positions[partition] = position + len(told)
        return Polled(events, records, {partition: self._positions[partition] for partition in records})

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:
        """Commit, unless the partition is another's, or the coordinator is away."""
        self._wait_if_slow()
        return self._chance.random() < 0.9 and self._group.commit(self._name, offsets)

    def seek(self, partition: Partition, offset: int) -> None:
        """Read from here next."""
        self._positions[partition] = offset

    def release(self, partitions: Collection[Partition]) -> None:
        """Let go of partitions that are finished."""
        self._let_go(partitions)

    def _wait_if_slow(self) -> None:
        if self._group.is_slow and self._chance.random() < 0.3:
            self._wait()

    def _let_go(self, partitions: Collection[Partition]) -> None:
        self.pauses.forget(partitions)
        for partition in partitions:
            if self._group.owned[partition] == self._name:
                self._group.owned[partition] = ""
            self._positions.pop(partition, None)

    def lag(self) -> dict[Partition, int]:
        """Return nothing: no test asks."""
        return {}

    def state(self) -> SourceState:
        """Return that all is well: no test asks."""
        return SourceState(is_member=True, is_away=False)

    def close(self) -> None:
        """Leave the group."""
        self._let_go(list(self._positions))


class DeadLetterTopic:
    """The topic: what was written, and whether it takes anything."""

    def __init__(self) -> None:
        self.written: list[tuple[Record, Refusal]] = []
        self.is_away = False


class DeadLetterWriter:
    """One process's `DeadLetters`. The topic's yes may come late, or after the process is gone."""

    topic = "log-dead"

    def __init__(self, topic: DeadLetterTopic, chance: Random) -> None:
        self._topic = topic
        self._chance = chance
        self._kept: list[tuple[Record, Refusal]] = []  # no producer holds these yet
        self.unanswered: list[Record] = []  # written, and the yes is not here yet
        self.unconfirmed: list[Record] = []  # the yes is here, and the store has not confirmed it yet

    @property
    def is_away(self) -> bool:
        """Whether the topic takes nothing."""
        return self._topic.is_away

    @property
    def is_writing(self) -> bool:
        """Whether a yes may still come."""
        return bool(self._kept or self.unanswered)

    def send(self, record: Record, refusal: Refusal) -> None:
        """Begin to write."""
        self._kept.append((record, refusal))

    def durable(self) -> list[Record]:
        """Return the records whose dead letters the topic has taken."""
        if not self._topic.is_away:
            self._topic.written += self._kept
            self.unanswered += [record for record, _ in self._kept]
            self._kept = []
        done = [record for record in self.unanswered if self._chance.random() < 0.5]
        self.unanswered = [record for record in self.unanswered if record not in done]
        self.unconfirmed += done
        return done

    def forget(self, partitions: Collection[Partition]) -> list[Record]:
        """Drop what no producer holds."""
        dropped = [each for each in self._kept if Partition(each[0].topic, each[0].partition) in partitions]
        self._kept = [each for each in self._kept if each not in dropped]
        return [record for record, _ in dropped]

    def close(self) -> None:
        """Write what was begun."""
