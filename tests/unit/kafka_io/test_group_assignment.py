"""Which member of a group reads which partition: complete, balanced, and with as few moves as possible."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Partition
from pipeline.kafka_io.group_assignment import Member, balanced, cooperative
from tests.support.examples import examples

TOPICS = ("orders", "users", "visits")

topics_of_a_member = st.sets(st.sampled_from(TOPICS), min_size=1).map(frozenset)
topics = st.fixed_dictionaries({topic: st.integers(0, 12).map(range) for topic in TOPICS})


@st.composite
def groups(draw):
    """Some members, each with topics of its own, and some partitions that they say they hold: also another's, of another topic, or unknown."""
    names = draw(st.sets(st.sampled_from("abcdef"), min_size=1))
    held = st.frozensets(st.builds(Partition, st.sampled_from(TOPICS), st.integers(0, 14)), max_size=10)
    return [Member(name, draw(topics_of_a_member), draw(held), draw(st.integers(-1, 3))) for name in sorted(names)]


def readable(members, partitions):
    return {Partition(topic, number) for member in members for topic in member.topics for number in partitions[topic]}


def is_balanced(members, assigned):
    """Whether no member has two more than another that could take one of its partitions."""
    return not any(
        len(assigned[giver.name]) >= len(assigned[taker.name]) + 2 and partition.topic in taker.topics
        for giver in members
        for taker in members
        for partition in assigned[giver.name]
    )


@given(groups(), topics)
@examples(times=5)
def test_each_partition_has_one_member_that_reads_its_topic_and_none_has_two_too_many(members, partitions):
    assigned = balanced(members, partitions)
    assert sorted(each for of_one in assigned.values() for each in of_one) == sorted(readable(members, partitions))
    assert all(each.topic in member.topics for member in members for each in assigned[member.name])
    assert is_balanced(members, assigned)


@given(groups(), topics)
@examples(times=5)
def test_nobody_gets_what_another_holds(members, partitions):
    latest = {}
    for member in members:
        for held in member.holds:
            latest[held] = max(latest.get(held, -2), member.generation)
    for name, assigned in cooperative(members, partitions).items():
        for other in members:
            holds = {held for held in other.holds if other.generation == latest[held]}
            assert other.name == name or not assigned & holds


class Group:
    """A group whose members follow each assignment as `GroupCoordinator` does."""

    def __init__(self):
        self.members = {}
        self.generation = 0

    def settle(self, partitions):
        """Go round after round until no member must give anything up; return the number of rounds."""
        rounds, gave_up = 0, True
        while gave_up:
            rounds += 1
            self.generation += 1
            assigned = cooperative(list(self.members.values()), partitions)
            gave_up = any(member.holds - assigned[name] for name, member in self.members.items())
            self.members = {
                name: replace(member, holds=frozenset(assigned[name]), generation=self.generation)
                for name, member in self.members.items()
            }
        return rounds


changes = st.lists(
    st.one_of(
        st.tuples(st.just("joins"), st.sampled_from("abcdef"), topics_of_a_member),
        st.tuples(st.just("leaves"), st.sampled_from("abcdef"), st.none()),
        st.tuples(st.just("starts again"), st.sampled_from("abcdef"), st.none()),
        st.tuples(st.just("grows"), st.sampled_from(TOPICS), st.integers(1, 12)),
    ),
    min_size=1,
    max_size=12,
)


@given(changes)
@examples(times=5)
def test_a_group_settles_in_two_rounds_whatever_happens(happened):
    group, partitions = Group(), dict.fromkeys(TOPICS, range(2))
    for what, name, more in happened:
        if what == "joins":
            group.members[name] = Member(name, more)
        elif what == "leaves":
            group.members.pop(name, None)
        elif what == "starts again" and name in group.members:
            group.members[name] = Member(name, group.members[name].topics)
        elif what == "grows":
            partitions[name] = range(len(partitions[name]) + more)
        if not group.members:
            continue
        assert group.settle(partitions) <= 2
        after = {name: member.holds for name, member in group.members.items()}
        members = list(group.members.values())
        assert sorted(each for held in after.values() for each in held) == sorted(readable(members, partitions))
        assert is_balanced(members, after)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 40))
def test_no_partition_moves_between_members_that_stay(before, after, number):
    """Where all read the same topics: whoever must give something up gives it to a newcomer, and keeps the rest."""
    group, partitions = Group(), {"orders": range(number), "users": range(3)}
    names = [str(each) for each in range(max(before, after))]
    group.members = {name: Member(name, frozenset(partitions)) for name in names[:before]}
    group.settle(partitions)
    held = {name: member.holds for name, member in group.members.items()}
    group.members = {name: group.members.get(name, Member(name, frozenset(partitions))) for name in names[:after]}
    group.settle(partitions)
    for name in set(names[:before]) & set(names[:after]):
        now = group.members[name].holds
        assert now <= held[name] or held[name] <= now


def test_the_partitions_of_each_topic_are_spread():
    members = [Member(name, frozenset(TOPICS)) for name in "abc"]
    assigned = balanced(members, dict.fromkeys(TOPICS, range(6)))
    assert all(sum(each.topic == topic for each in assigned[name]) == 2 for name in "abc" for topic in TOPICS)
