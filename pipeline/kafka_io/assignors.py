"""The two ways in which the members of a group share its partitions, as strategies of kafka-python: cooperative where all members can, else eager.

The group takes the first one that all of its members offer. kafka-python's own strategies are not used: its `roundrobin` ends the leader with a
`KeyError` where members read different topics, and its `cooperative-sticky` cannot be offered beside an eager one, and goes on to claim partitions
that the member has lost.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor, RebalanceProtocol
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from pipeline.contracts.values import Partition
from pipeline.kafka_io.group_assignment import Member, balanced, cooperative

_log = logging.getLogger("log2mq.kafka")


class _Assignor(AbstractPartitionAssignor):  # type: ignore[misc]  # kafka-python ships no types
    """What both strategies share. The leader of the group calls `assign`; each member calls the other methods when it joins."""

    version: int
    rules: Callable[..., dict[str, set[Partition]]]

    def __init__(self) -> None:
        self._topics: frozenset[str] = frozenset()
        self._told: set[frozenset[str]] = set()
        self._generation = -1

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """Return the assignment of each member by its ID. Each member gets partitions of its own topics only."""
        names = {each.member_id: each.group_instance_id or each.member_id for each in members}
        asking = [_member(names[each.member_id], each.metadata) for each in members]
        topics = {topic for member in asking for topic in member.topics}
        self._tell_of_different_topics(asking, topics)
        partitions = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        for topic in topics - self._topics:
            if not partitions[topic]:  # the leader does not read this topic, and has asked for its partitions just now
                partitions[topic] = {held.partition for each in asking for held in each.holds if held.topic == topic}
        assigned = type(self).rules(asking, partitions)
        return {
            member: ConsumerProtocolAssignment(self.version, _by_topic(assigned[name]), b"")
            for member, name in names.items()
        }

    def metadata(self, topics: Iterable[str]) -> Any:
        """Return what this member says when it joins."""
        self._topics = frozenset(topics)
        return ConsumerProtocolSubscription(version=self.version, topics=sorted(topics), user_data=b"")

    def on_assignment(self, assignment: Any, generation: int) -> None:  # noqa: ARG002 - kafka-python names the parameters
        """Note the generation of an assignment."""
        self._generation = generation

    def _tell_of_different_topics(self, members: Iterable[Member], topics: set[str]) -> None:
        """Log it once where members read different topics: a rolling deploy that adds a topic, or two source files with the same group."""
        if all(member.topics == topics for member in members) or frozenset(topics) in self._told:
            return
        self._told.add(frozenset(topics))
        _log.warning(
            "the members of this group read different topics (%s in all); each reads its own. If two source files have the same `source`, "
            "rename one, or set its kafka.group",
            ", ".join(sorted(topics)),
        )


class RoundRobin(_Assignor):
    """The eager strategy: each member gives up everything before it joins. log2mq 0.1.0 offers it alone, under this name."""

    name = "roundrobin"
    version = 0
    rules = staticmethod(balanced)


class CooperativeSticky(_Assignor):
    """The cooperative strategy (KIP-429): a member keeps its partitions while it joins, and gives up only those that move."""

    name = "cooperative-sticky"
    version = 2  # the first that carries the generation
    rules = staticmethod(cooperative)

    def __init__(self) -> None:
        super().__init__()
        self.held: Iterable[TopicPartition] = ()
        """The partitions that this member holds. Its owner keeps them up to date."""

    def supported_protocols(self) -> list[RebalanceProtocol]:
        """Return both, so that kafka-python takes this strategy beside an eager one. `GroupCoordinator` follows the one that the group took."""
        return [RebalanceProtocol.COOPERATIVE, RebalanceProtocol.EAGER]

    def metadata(self, topics: Iterable[str]) -> Any:
        """Return what this member says when it joins: its topics, and the partitions that it holds since its latest generation."""
        said = super().metadata(topics)
        said.owned_partitions = [
            ConsumerProtocolSubscription.TopicPartition(topic=topic, partitions=numbers)
            for topic, numbers in _by_topic(self.held)
        ]
        said.generation_id = self._generation
        return said


def _member(name: str, said: Any) -> Member:
    holds = {Partition(each.topic, number) for each in said.owned_partitions or () for number in each.partitions}
    return Member(name, frozenset(said.topics), frozenset(holds), said.generation_id)


def _by_topic(partitions: Iterable[tuple[str, int]]) -> list[tuple[str, list[int]]]:
    by_topic: dict[str, list[int]] = defaultdict(list)
    for topic, number in sorted(partitions):
        by_topic[topic].append(number)
    return sorted(by_topic.items())
