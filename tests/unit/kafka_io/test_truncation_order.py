"""Truncations in any order with reads, seeks and commits, on kafka-python's own positions and on a log that answers as Kafka's leader does."""

from __future__ import annotations

import time
from collections import deque
from types import SimpleNamespace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from kafka import OffsetAndMetadata, TopicPartition
from kafka.consumer.subscription_state import SubscriptionState

from pipeline.contracts.values import Partition
from pipeline.kafka_io.leader_epochs import UNKNOWN, LeaderEpochs
from pipeline.kafka_io.truncation import TruncationFetcher

HERE = Partition("log", 0)
KEY = TopicPartition(*HERE)


class Record(SimpleNamespace):
    """A record, or a marker of a transaction, which no poll returns."""


class Leader:
    """The log of one partition, and the leader epochs that it knows."""

    def __init__(self):
        self.log, self.epoch, self.starts = [], 0, {0: 0}

    def write(self, count, *, are_markers):
        for _ in range(count):
            self.log.append(Record(offset=len(self.log), leader_epoch=self.epoch, is_marker=are_markers))

    def elect(self, kept_until):
        """Begin an epoch with a leader that has the log up to an offset."""
        del self.log[kept_until:]
        self.epoch += 1
        self.starts = {epoch: start for epoch, start in self.starts.items() if start < kept_until}
        self.starts[self.epoch] = len(self.log)

    def end_of(self, asked):
        """Answer an OffsetForLeaderEpoch request (Kafka's LeaderEpochFileCache)."""
        if asked == self.epoch:
            return asked, len(self.log)
        later = [start for epoch, start in self.starts.items() if epoch > asked]
        if not later:
            return -1, -1
        return max((epoch for epoch in self.starts if epoch <= asked), default=asked), min(later)


class TruncationMachine(RuleBasedStateMachine):
    """One reader of one partition."""

    def __init__(self):
        super().__init__()
        self.leader, self.read = Leader(), {}
        self.epochs, self.committed = LeaderEpochs(), OffsetAndMetadata(0, "", UNKNOWN)
        self.known_epoch = 0  # of the client's metadata
        self.floor = 0  # nothing before it is handed back, or committed
        self.is_commit_old = False  # a truncation was acted on, and nothing was committed since
        self._open()

    def _open(self):
        self.fetcher = TruncationFetcher.__new__(TruncationFetcher)
        self.fetcher._subscriptions = SubscriptionState("none")
        self.fetcher._truncations = deque()
        self.fetcher.config = {"retry_backoff_ms": 0}
        self.fetcher._subscriptions.assign_from_user([KEY])
        self.floor, self.is_from_old_commit = self.committed.offset, self.is_commit_old
        self.epochs.begin(HERE, self.committed.offset, self.committed.leader_epoch)
        self._seek(self.committed.offset)

    def _seek(self, offset):
        self.fetcher._subscriptions.seek(KEY, OffsetAndMetadata(offset, "", self.epochs.before(HERE, offset)))

    @property
    def state(self):
        return self.fetcher._subscriptions.assignment[KEY]

    # --- the leader ------------------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 5), are_markers=st.booleans())
    def records_are_written(self, count, are_markers):
        self.leader.write(count, are_markers=are_markers)

    @rule(lost=st.integers(0, 8))
    def another_leader_is_elected(self, lost):
        self.leader.elect(max(0, len(self.leader.log) - lost))

    # --- the reader ------------------------------------------------------------------------------------------------------------

    @rule()
    def the_client_learns_of_the_leader(self):
        self.known_epoch = self.leader.epoch

    @rule(most=st.integers(1, 6))
    def it_polls(self, most):
        state, log = self.state, self.leader.log
        state.maybe_validate_position(self.known_epoch)
        if not state.is_fetchable():
            return
        if self.known_epoch < self.leader.epoch:  # the broker fences it
            self.known_epoch = self.leader.epoch
            state.request_position_validation()
            return
        position = state.position
        assert position.offset <= len(log), "a position behind the end"
        found = log[position.offset : position.offset + most]
        if found:
            self.read.update((each.offset, each) for each in found)
            state.position = OffsetAndMetadata(found[-1].offset + 1, "", found[-1].leader_epoch)
        self.epochs.note(
            HERE, [each for each in found if not each.is_marker], state.position.offset, state.position.leader_epoch
        )

    @rule(back=st.integers(1, 9))
    def records_are_handed_back(self, back):
        self._seek(max(self.floor, self.state.position.offset - back))

    @precondition(lambda self: self.state.awaiting_validation)
    @rule()
    def the_leader_answers_for_the_position(self):
        position = self.state.position
        epoch, end = self.leader.end_of(position.leader_epoch)
        answer = SimpleNamespace(partition=0, error_code=0, leader_epoch=epoch, end_offset=end)
        response = SimpleNamespace(topics=[SimpleNamespace(topic="log", partitions=[answer])])
        self.fetcher._handle_offset_for_leader_epoch_response(response, {KEY: position})

    @rule(is_late=st.booleans())
    def it_is_told(self, is_late):
        """With `is_late` the brokers do not answer what must be asked before it acts."""
        for truncation in self.fetcher.take_truncations():
            position, kept = self.state.position.offset, truncation.kept_until
            log = self.leader.log
            begin = kept if kept is not None else 0
            assert self.is_from_old_commit or any(
                offset >= len(log) or self.read.get(offset) is not log[offset] for offset in range(begin, position)
            ), "nothing was truncated"
            if not is_late:
                self.floor, self.is_commit_old = begin, True
                self.epochs.begin(HERE, begin, self.epochs.before(HERE, begin) if kept is not None else UNKNOWN)
                self._seek(begin)

    @rule()
    def it_commits(self):
        records = [offset for offset, each in self.read.items() if not each.is_marker and offset > self.floor]
        offset = min(
            [each for each in records if each <= self.state.position.offset], default=self.state.position.offset
        )
        if offset >= self.floor:
            self.committed = OffsetAndMetadata(offset, "", self.epochs.before(HERE, offset))
            self.epochs.forget_before(HERE, offset)
            self.floor, self.is_commit_old = offset, False

    @rule()
    def it_starts_again(self):
        self._open()

    def teardown(self):
        """In the end every record that is there was read."""
        self.known_epoch = self.leader.epoch
        until = time.monotonic() + 30
        self.it_polls(1)
        while self.state.position.offset < len(self.leader.log) or not self.state.is_fetchable():
            assert time.monotonic() < until, self.state.position
            self.it_polls(100)
            if self.state.awaiting_validation:
                self.the_leader_answers_for_the_position()
            self.it_is_told(is_late=False)
        for each in self.leader.log:
            assert self.read.get(each.offset) is each, f"{each} was passed over"


TestTruncations = TruncationMachine.TestCase
