"""A consumer group on a real Kafka: what a rebalance leaves alone, who stops for whom, static members, older versions beside newer ones."""

from __future__ import annotations

import threading
import time
import uuid
from functools import partial

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import MemberToRemove
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Assigned, Commit, Leaving, LostToRetention, Partition, Revoked
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.source import KafkaSource
from tests.support.jobs import PATIENCE_S, wait_for

SESSION_S = 30
"""The session of members that die: what others wait for a dead one is a good part of it, whatever the machine."""


class Member:
    """One `KafkaSource`, and what it has returned."""

    def __init__(self, settings, static_id=None):
        self.source = KafkaSource(settings, client_id="member", environment={}, static_id=static_id)
        self.is_dead = False
        self.releases = True
        """Whether it lets go at once of what shall be another's, as a job does that has nothing in flight."""
        self.owned: set[Partition] = set()
        self.events = []
        self.offsets: dict[Partition, list[int]] = {}

    def poll(self):
        polled = self.source.poll(20, {})
        for event in polled.events:
            self.events.append(event)
            match event:
                case Assigned(start):
                    self.owned |= start.keys()
                case Revoked(partitions):
                    self.owned -= partitions
                case Leaving(partitions):
                    self.owned -= partitions
                    if self.releases:
                        self.source.release(partitions)
        for partition, records in polled.records.items():
            self.offsets.setdefault(partition, []).extend(record.offset for record in records)

    def read(self, partition):
        return len(self.offsets.get(partition, ()))

    def has_read(self, partition, number):
        return self.read(partition) >= number

    def die(self):
        """End as a killed process does: the broker hears nothing more of it."""
        self.source._client._consumer._client.close()
        self.is_dead = True

    @property
    def is_joining(self):
        return self.source._client._consumer._coordinator.rejoining


@pytest.fixture
def group(kafka):
    """Make members of one group; all are closed at the end."""
    made = []

    def join(*topics, static_id=None, **more):
        settings = kafka.settings(*topics, **{"group": f"{topics[0]}-g", "session_timeout": f"{SESSION_S}s", **more})
        made.append(Member(settings, static_id))
        return made[-1]

    yield join
    for each in made:
        if not each.is_dead:
            each.source.close()


def poll_until(members, condition, what, limit_s=PATIENCE_S):
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, f"waited {limit_s} s for {what}"
        for each in members:
            each.poll()


def share(members, topic, partitions):
    """Poll until all partitions are owned, and each member has its share of them."""
    every = {Partition(topic, number) for number in range(partitions)}

    def is_shared():
        owned = [each.owned for each in members]
        return set().union(*owned) == every and max(map(len, owned)) - min(map(len, owned)) < 2

    poll_until(members, is_shared, "a share for each")
    assert sum(len(each.owned) for each in members) == partitions


def test_nobody_gets_a_partition_before_its_owner_lets_go_of_it(kafka, group):
    topic = kafka.topic(6)
    for number in range(6):
        kafka.write(topic, [b"v"] * 10, partition=number)
    first = group(topic)
    share([first], topic, 6)
    first.releases = False
    second = group(topic)
    poll_until([first, second], lambda: len(first.owned) == 3, "the wish for a share")
    leaving = {Partition(topic, number) for number in range(6)} - first.owned
    third = group(topic)
    poll_until([first, second, third], lambda: len(first.owned) == 2, "the wish for another one")
    assert not second.owned | third.owned, "two rounds went by, and it held all six"
    here = next(iter(leaving))
    assert first.source.commit({here: Commit(7, "")}), "what is committed late is where the next owner begins"
    first.source.release({here})
    poll_until([first, second, third], lambda: second.owned | third.owned == {here}, "the one that it let go of")
    (start,) = [event.start for each in (second, third) for event in each.events if isinstance(event, Assigned)]
    assert start[here].offset == 7


def test_what_a_member_lets_go_of_during_a_join_is_not_forgotten(kafka, group):
    topic = kafka.topic(4)
    first = group(topic)
    share([first], topic, 4)
    first.releases = False
    second = group(topic)
    poll_until([first, second], lambda: len(first.owned) == 2, "the wish for a share")
    third = group(topic)
    poll_until([first, third], lambda: first.is_joining and len(kafka.shares(f"{topic}-g")) == 3, "a join")
    assert first.is_joining, "the second does not poll, so the join cannot end"
    leaving = {Partition(topic, number) for number in range(4)} - first.owned
    assert not first.source.commit({each: Commit(0, "") for each in leaving}), "no commit is taken during a join"
    first.source.release(leaving)
    poll_until([first, second, third], lambda: second.owned | third.owned == leaving, "what it let go of")


def test_a_member_that_was_evicted_while_it_let_go_has_nothing_more_to_let_go_of(kafka, group):
    topic = kafka.topic(2)
    first = group(topic)
    share([first], topic, 2)
    first.releases = False
    second = group(topic)
    poll_until([first, second], lambda: len(first.owned) == 1, "the wish for a share")
    evict(kafka, f"{topic}-g", first)
    poll_until(
        [first, second], lambda: isinstance(first.events[-1], Assigned) and len(second.owned) == 1, "a share each"
    )
    gone = {partition for event in first.events if isinstance(event, Revoked) for partition in event.partitions}
    assert gone == {Partition(topic, 0), Partition(topic, 1)}, "the one it had, and the one it had not let go of yet"
    assert not first.owned & second.owned


def wait_for_rebalance(kafka, name, *joining):
    """Poll until these members wait for a third one, which is dead."""
    poll_until(
        joining, lambda: all(each.is_joining for each in joining) and len(kafka.shares(name)) == 3, "a rebalance"
    )


def evict(kafka, name, member):
    """Take a member out of its group, as the broker does whose session has ended."""
    evicted = member.source._client._consumer._coordinator._generation.member_id
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as admin:
        admin.remove_group_members(name, [MemberToRemove(evicted)])


def test_partitions_that_stay_keep_their_position_and_their_pause_while_others_move(kafka, group):
    topic = kafka.topic(4)
    every = [Partition(topic, number) for number in range(4)]
    for number in range(4):
        kafka.write(topic, [b"v"] * 300, partition=number)
    first = group(topic, max_poll_records=10)
    poll_until([first], lambda: all(first.read(each) for each in every), "something of each partition")
    first.source.pauses.add(PauseReason.IN_FLIGHT, every)
    first.poll()
    read = {each: first.read(each) for each in every}
    events = len(first.events)
    second = group(topic)
    share([first, second], topic, 4)
    assert all(isinstance(event, Leaving) for event in first.events[events:])
    assert {each: first.read(each) for each in every} == read, "what is paused stays paused"
    first.source.pauses.end(PauseReason.IN_FLIGHT, list(first.owned))
    poll_until([first, second], lambda: all(first.read(each) == 300 for each in first.owned), "the rest")
    for each in first.owned:
        assert first.offsets[each] == list(range(300)), "read on from its position, and read once"


def test_a_member_reads_on_while_others_wait_for_a_dead_one(kafka, group):
    topic = kafka.topic(4)
    survivor, victim = group(topic), group(topic)
    share([survivor, victim], topic, 4)
    victim.die()
    newcomer = group(topic)
    wait_for_rebalance(kafka, f"{topic}-g", survivor, newcomer)
    here = next(iter(survivor.owned))
    for read in range(1, 21):  # before the mend the first of them was read when the session of the dead one had ended
        kafka.write(topic, [b"v"], partition=here.partition)
        poll_until([survivor, newcomer], partial(survivor.has_read, here, read), "the next record", SESSION_S / 3)
    assert not newcomer.owned, "the dead member still has the rest: this was measured while the group waited for it"


def test_lost_offsets_are_looked_up_while_the_group_waits_for_a_dead_member(kafka, group):
    """The broker answers nothing on the connection on which it keeps a join."""
    topic = kafka.topic(4)
    for number in range(4):
        kafka.write(topic, [b"v"] * 10, partition=number)
    survivor, victim = group(topic, on_lost_offsets="continue"), group(topic)
    share([survivor, victim], topic, 4)
    here = next(iter(survivor.owned))
    poll_until([survivor, victim], partial(survivor.has_read, here, 10), "its records")
    commit = partial(survivor.source.commit, {here: Commit(3, "books")})
    poll_until([survivor, victim], commit, "the commit")  # none is taken while a round goes on
    victim.die()
    newcomer = group(topic)
    wait_for_rebalance(kafka, f"{topic}-g", survivor, newcomer)
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as admin:
        admin.delete_records({TopicPartition(*here): 7})
    survivor.source.seek(here, 5)
    lost = LostToRetention(here, 5, 6, 7)
    poll_until([survivor, newcomer], lambda: lost in survivor.events, "the loss", SESSION_S / 3)
    assert {here: Commit(7, "books")} in [each.start for each in survivor.events if isinstance(each, Assigned)]


def test_a_leader_without_partitions_that_begins_a_join_ends_it(kafka, group):
    """The topic that it joins for is known when it has made the assignment, so kafka-python does not read the answer."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    member = group(name, topics=None, topic_pattern=f"^{name}$", metadata_max_age="500ms")
    coordinator = member.source._client._consumer._coordinator
    poll_until([member], lambda: coordinator.stable() and not member.is_joining, "a member without a topic")
    kafka.topic(name=name)

    def has_begun():
        member.source.poll(0, {})
        return member.is_joining

    wait_for(has_begun, "the join for the topic")
    poll_until([member], lambda: member.owned == {Partition(name, 0)}, "the partition", SESSION_S / 3)


def test_a_static_member_that_comes_back_takes_its_partitions_and_nobody_stops(kafka, group):
    topic = kafka.topic(4)
    survivor, victim = group(topic, static_id="one"), group(topic, static_id="two")
    share([survivor, victim], topic, 4)
    held, events = set(victim.owned), len(survivor.events)
    victim.die()
    successor = group(topic, static_id="two")
    poll_until([survivor, successor], lambda: successor.owned == held, "its partitions", SESSION_S / 3)
    assert survivor.events[events:] == []


def test_new_partitions_are_noticed_although_the_leader_was_started_again(kafka, group):
    """The broker gives a static leader that comes back its partitions and does not say that it leads: nobody would watch the topic."""
    topic = kafka.topic(2)
    fast = {"metadata_max_age": "500ms"}
    leader = group(topic, static_id="one", **fast)
    share([leader], topic, 2)
    follower = group(topic, static_id="two", **fast)
    share([leader, follower], topic, 2)
    leader.die()
    leader = group(topic, static_id="one", **fast)
    share([leader, follower], topic, 2)
    with KafkaAdminClient(bootstrap_servers=kafka.servers) as admin:
        admin.create_partitions({topic: 4})
    share([leader, follower], topic, 4)


@pytest.mark.parametrize("static_id", [None, "one"])
def test_a_member_that_stops_leaves_at_once(kafka, group, static_id):
    topic = kafka.topic(4)
    stays, goes = group(topic), group(topic, static_id=static_id)
    share([stays, goes], topic, 4)
    goes.source.close()
    poll_until([stays], lambda: len(stays.owned) == 4, "all partitions", SESSION_S / 3)


def test_a_member_that_is_evicted_while_it_joins_has_lost_what_it_kept(kafka, group):
    topic = kafka.topic(4)
    evicted, victim = group(topic), group(topic)
    share([evicted, victim], topic, 4)
    held, events = set(evicted.owned), len(evicted.events)
    victim.die()
    newcomer = group(topic)
    wait_for_rebalance(kafka, f"{topic}-g", evicted, newcomer)
    evict(kafka, f"{topic}-g", evicted)
    poll_until([evicted, newcomer], lambda: len(evicted.events) > events, "the loss")
    assert evicted.events[events:] == [Revoked(frozenset(held))]


def test_a_member_that_stops_while_the_group_waits_for_a_dead_one_leaves_at_once(kafka, group):
    topic = kafka.topic(4)
    goes, victim = group(topic), group(topic)
    share([goes, victim], topic, 4)
    victim.die()
    newcomer = group(topic)
    wait_for_rebalance(kafka, f"{topic}-g", goes, newcomer)
    goes.source.close()
    assert len(kafka.shares(f"{topic}-g")) == 2


def test_of_two_members_with_one_static_id_the_later_stays_and_the_earlier_says_so(kafka, group):
    topic = kafka.topic(2)
    earlier = group(topic, static_id="same")
    share([earlier], topic, 2)
    later = group(topic, static_id="same")
    with pytest.raises(
        SourceUnavailable, match=r"another process has joined the group .* with the same kafka\.instance_id"
    ):
        poll_until([earlier, later], lambda: False, "the error", SESSION_S)
    earlier.source.close()
    assert later.owned == {Partition(topic, 0), Partition(topic, 1)}
    assert len(kafka.shares(f"{topic}-g")) == 1, "the earlier did not take the later one out of the group"


@pytest.mark.parametrize("leader", ["of one topic", "of two topics"])
def test_members_that_read_different_topics_each_read_their_own(kafka, group, leader, caplog):
    """Before the mend the leader ended with exit code 70: a `KeyError` of kafka-python's round robin."""
    old, new = kafka.topic(3), kafka.topic(3)
    name = {"group": f"{old}-g"}
    if leader == "of one topic":
        first, second = group(old, **name), group(old, new, **name)
    else:
        first, second = group(old, new, **name), group(old, **name)
    both = [first, second]
    of_two = second if leader == "of one topic" else first
    every = {Partition(topic, number) for topic in (old, new) for number in range(3)}
    poll_until(both, lambda: first.owned | second.owned == every and len(of_two.owned) == 3, "all partitions")
    assert not first.owned & second.owned
    assert "the members of this group read different topics" in caplog.text


class OlderVersion:
    """A member that knows the eager protocol alone. A thread polls it for seconds at a time: kafka-python forgets a join that outlasts a poll."""

    def __init__(self, kafka, topic):
        self._consumer = KafkaConsumer(
            topic,
            bootstrap_servers=kafka.servers,
            group_id=f"{topic}-g",
            enable_auto_commit=False,
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        )
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()

    def _poll(self):
        while not self._is_closing.is_set():
            self._consumer.poll(5_000)

    @property
    def owned(self):
        return {Partition(*each) for each in self._consumer.assignment()}

    def close(self):
        self._is_closing.set()
        self._thread.join()
        self._consumer.close()


@pytest.fixture
def older_version(kafka):
    """Make a member of an older version; it is closed at the end."""
    made = []

    def join(topic):
        made.append(OlderVersion(kafka, topic))
        return made[-1]

    yield join
    for each in made:
        each.close()


def test_an_older_version_beside_newer_ones_shares_eagerly_and_then_they_cooperate(kafka, group, older_version):
    """The rolling upgrade of KIP-429: both protocols are offered, and the group takes the one that all members offer."""
    topic = kafka.topic(6)
    older = older_version(topic)
    first = group(topic)
    poll_until([first], lambda: len(older.owned) == 3 == len(first.owned), "a share for each")
    second = group(topic)

    def is_shared():
        return len(older.owned) == len(first.owned) == len(second.owned) == 2

    poll_until([first, second], is_shared, "a share for each of three")
    assert not first.owned & second.owned
    older.close()
    share([first, second], topic, 6)
    held, events = set(first.owned), len(first.events)
    third = group(topic)
    share([first, second, third], topic, 6)
    assert first.owned < held, "it cooperates: it gave up one, and kept the others"
    assert [type(event) for event in first.events[events:]] == [Leaving]


def test_an_older_version_that_comes_back_brings_the_eager_protocol_back(kafka, group, older_version):
    topic = kafka.topic(6)
    first, second = group(topic), group(topic)
    share([first, second], topic, 6)
    older = older_version(topic)

    def is_shared():
        return len(older.owned) == len(first.owned) == len(second.owned) == 2

    poll_until([first, second], is_shared, "a share for each of three")
    assert not first.owned & second.owned
    assert not (first.owned | second.owned) & older.owned
    older.close()
    share([first, second], topic, 6)


def test_a_join_that_ends_between_two_polls_is_not_begun_again(kafka, group):
    """kafka-python drops its answer. The leader's next join is a new round for all, so a busy leader would join for ever."""
    topic = kafka.topic(1)
    member = group(topic)
    coordinator = member.source._client._consumer._coordinator

    def has_ended_between_polls():
        if not coordinator.need_rejoin():
            coordinator.request_rejoin()
        member.poll()
        if (task := coordinator._join_task) is None:
            return False
        wait_for(lambda: task.is_done, "the answer to the join")
        return task.succeeded()

    wait_for(has_ended_between_polls, "a join that ends between two polls")
    generation = coordinator._generation.generation_id
    poll_until([member], lambda: not coordinator.rejoining, "the end of the join")
    assert coordinator._generation.generation_id == generation
