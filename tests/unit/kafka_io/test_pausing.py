"""The pauses of a source on kafka-python's own consumers: whatever happens in whatever order, only what is paused is not read."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import SubscriptionState

from pipeline.contracts.pauses import PauseReason, Pauses
from pipeline.contracts.values import Partition
from pipeline.kafka_io.pausing import apply_pauses

ALL = [Partition("log", number) for number in range(4)]
SOME = st.sets(st.sampled_from(ALL))
REASONS = st.sampled_from(PauseReason)


class Consumer(KafkaConsumer):
    """A consumer without brokers: its assignment comes from the test."""

    def __init__(self):
        self._subscription = SubscriptionState("none")
        self._subscription.subscribe(topics=["log"])

    def assign(self, partitions):
        """Take an assignment, as from the group. What stays keeps kafka-python's state of it."""
        self._subscription.assign_from_subscribed([TopicPartition(*each) for each in partitions])
        for key in self._subscription.missing_fetch_positions():
            self.seek(key, 0)

    def fetched(self):
        """Return what the next poll may return records of."""
        return set(self._subscription.fetchable_partitions())


class PausesMachine(RuleBasedStateMachine):
    """Reasons that come and go, seeks, rebalances, and new clients."""

    @initialize()
    def begin(self):
        self.consumer = Consumer()
        self.pauses = Pauses()
        self.reasons = {}  # of what is owned

    @rule(reason=REASONS, partitions=SOME)
    def a_reason_begins(self, reason, partitions):
        owned = partitions & self.reasons.keys()
        self.pauses.add(reason, owned)
        for each in owned:
            self.reasons[each].add(reason)

    @rule(reason=REASONS, partitions=SOME)
    def a_reason_ends(self, reason, partitions):
        self.pauses.end(reason, partitions)
        for each in partitions & self.reasons.keys():
            self.reasons[each].discard(reason)

    @rule(partition=st.sampled_from(ALL), offset=st.integers(0, 9))
    def records_are_handed_back(self, partition, offset):
        if partition in self.reasons:
            self.consumer.seek(TopicPartition(*partition), offset)

    @rule(partitions=SOME)
    def the_group_assigns(self, partitions):
        """Some stay, some go, some come."""
        moved = partitions ^ self.reasons.keys()
        self.consumer.assign(partitions)
        self.pauses.forget(moved)
        self.reasons = {each: self.reasons.get(each, set()) for each in partitions}

    @rule()
    def a_new_client_is_made_for_the_same_partitions(self):
        self.consumer = Consumer()
        self.consumer.assign(self.reasons)

    @rule(partitions=SOME, is_paused=st.booleans())
    def kafka_python_has_its_own_mind(self, partitions, is_paused):
        keys = [TopicPartition(*each) for each in partitions & self.reasons.keys()]
        (self.consumer.pause if is_paused else self.consumer.resume)(*keys)

    @invariant()
    def what_has_no_reason_is_read_and_nothing_else(self):
        if hasattr(self, "consumer"):
            apply_pauses(self.consumer, self.pauses.paused())
            assert self.consumer.fetched() == {each for each, reasons in self.reasons.items() if not reasons}


TestPausing = PausesMachine.TestCase
