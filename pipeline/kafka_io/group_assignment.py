"""Which member of a consumer group reads which partition: balanced, and with as few moves as possible. Pure rules, used by the group's leader."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.contracts.values import Partition


@dataclass(frozen=True, slots=True)
class Member:
    """What one member of a group says when it joins: its topics, and the partitions that it holds since a generation of the group."""

    name: str
    """It decides between members that are equal in everything else, so it must not change while the member lives."""

    topics: frozenset[str]
    holds: frozenset[Partition] = frozenset()
    generation: int = -1


def balanced(members: Sequence[Member], partitions: Mapping[str, Collection[int]]) -> dict[str, set[Partition]]:
    """Return the partitions of each member by its name. `partitions` are the numbers of the partitions of each known topic.

    Each partition of a topic that some member reads belongs to one such member. No member has two partitions more than another one that could
    take one of them. A partition stays with its holder, unless the balance or the topics of the holder require a move.
    """
    return _Balance(members, partitions).result()


def cooperative(members: Sequence[Member], partitions: Mapping[str, Collection[int]]) -> dict[str, set[Partition]]:
    """Return the partitions of each member until the next round.

    It is `balanced`, without the partitions that another member still holds: their holder sees that they are missing, gives them up, and
    joins again. The next round has them for their new owner (KIP-429).
    """
    holders = _holders(members)
    return {
        name: {partition for partition in assigned if holders.get(partition, {name}) == {name}}
        for name, assigned in balanced(members, partitions).items()
    }


def _holders(members: Sequence[Member]) -> dict[Partition, set[str]]:
    """Return who holds each partition: the member that got it in the latest generation.

    A member of an earlier generation may name it too: it was evicted from the group, and another member got the partition since then.
    """
    latest: dict[Partition, int] = {}
    holders: dict[Partition, set[str]] = {}
    for member in members:
        for partition in member.holds:
            if partition not in latest or member.generation > latest[partition]:
                latest[partition], holders[partition] = member.generation, {member.name}
            elif member.generation == latest[partition]:
                holders[partition].add(member.name)
    return holders


class _Balance:
    """The work of `balanced`: what is held stays, the rest is given out, then single partitions move from full members to empty ones."""

    def __init__(self, members: Sequence[Member], partitions: Mapping[str, Collection[int]]) -> None:
        self._members = {member.name: member for member in sorted(members, key=lambda member: member.name)}
        self._assigned: dict[str, set[Partition]] = {name: set() for name in self._members}
        self._of_topic: dict[tuple[str, str], int] = defaultdict(int)  # by member and topic
        read = {topic for member in members for topic in member.topics}
        every = {Partition(topic, number) for topic in read for number in partitions.get(topic, ())}
        owners = {
            partition: owner
            for partition, holders in _holders(members).items()
            if partition in every and partition.topic in self._members[owner := min(holders)].topics
        }
        for partition, owner in owners.items():
            self._add(owner, partition)
        readers = {topic: [name for name, member in self._members.items() if topic in member.topics] for topic in read}
        for partition in sorted(every - owners.keys(), key=lambda each: (len(readers[each.topic]), each)):
            self._add(min(readers[partition.topic], key=lambda name: self._load(name, partition.topic)), partition)
        while self._move_one():
            pass

    def result(self) -> dict[str, set[Partition]]:
        return self._assigned

    def _move_one(self) -> bool:
        """Move one partition to a member that has at least two fewer, and return whether there was one to move."""
        by_load = sorted(self._members, key=lambda name: len(self._assigned[name]))
        for giver in reversed(by_load):
            for taker in by_load:
                if len(self._assigned[giver]) <= len(self._assigned[taker]) + 1:
                    break
                topics = self._members[taker].topics
                movable = [partition for partition in self._assigned[giver] if partition.topic in topics]
                if movable:
                    self._move(min(movable, key=lambda each: self._rank(giver, taker, each)), giver, taker)
                    return True
        return False

    def _move(self, partition: Partition, giver: str, taker: str) -> None:
        self._assigned[giver].remove(partition)
        self._of_topic[giver, partition.topic] -= 1
        self._add(taker, partition)

    def _rank(self, giver: str, taker: str, partition: Partition) -> tuple[int, Partition]:
        """Return the rank of a partition for a move. One of a topic of which the giver has many and the taker has few comes first."""
        return self._of_topic[taker, partition.topic] - self._of_topic[giver, partition.topic], partition

    def _load(self, name: str, topic: str) -> tuple[int, int, str]:
        return len(self._assigned[name]), self._of_topic[name, topic], name

    def _add(self, name: str, partition: Partition) -> None:
        self._assigned[name].add(partition)
        self._of_topic[name, partition.topic] += 1
