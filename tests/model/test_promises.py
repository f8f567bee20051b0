"""The promises of docs/guarantees.md hold, whatever happens in whatever order; and the model finds each of the classic mistakes."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from pipeline.dedup.lmdb_store.store_clock import StoreClock
from pipeline.job.books import BooksUnbalanced
from pipeline.job.claims import ClaimQueue
from pipeline.job.commits import Commits
from pipeline.job.group_store import GroupStore
from pipeline.job.in_flight import InFlight, PendingMessage
from pipeline.job.intake import Intake
from pipeline.job.last_answers import LastAnswers
from pipeline.job.offsets import Offsets, PartitionOffsets
from pipeline.job.timing import Lease
from tests.model.api import State
from tests.model.machine import JobMachine
from tests.model.process import ModelStore
from tests.model.records import version
from tests.model.world import World
from tests.support.examples import examples
from transforms.base import Kind

pytestmark = pytest.mark.slow

TestPromises = JobMachine.TestCase
TestPromises.settings = settings(examples(times=2), stateful_step_count=40)


@examples(times=1)
@given(st.integers(0, 2**32))
def test_the_last_identities_are_right_whatever_partitions_tell_them(seed):
    play_changes(seed)


def test_the_model_finds_a_doubt_that_is_forgotten(monkeypatch):
    """A call had no answer, and then its partitions were taken away."""
    monkeypatch.setattr(PendingMessage, "in_doubt", property(lambda _: False, lambda *_: None))
    with pytest.raises(AssertionError):
        play_changes_of(range(2_000))


def play_changes_of(seeds):
    for seed in seeds:
        play_changes(seed)


def play_changes(seed):
    """Let the identities of a customer change and change back, in several partitions, while partitions move and answers are lost."""
    chance = Random(seed)
    world = World(seed, chance.choice([2, 3]), refuses_with_unknown=False, stop_above=1.0)
    world.start(0)
    world.start(1)
    for _ in range(40):
        match chance.randrange(10):
            case 0 | 1 | 2:
                for _ in range(chance.randint(1, 3)):
                    world.append(version(0, chance.randrange(3), is_spread=True))
            case 3 | 4:
                world.api.states[Kind.USER] = chance.choice([State.CUT, State.AWAY, State.UP])
            case 5 | 6:
                world.rebalance()
            case _:
                world.run(chance.randint(1, 10), step_ms=chance.choice([0, 50, 500]))
        world.judge()
    world.finish()


FOUND = (AssertionError, BooksUnbalanced, LookupError)
"""A promise that is broken, books that do not balance, or an offset that is not there."""

SEARCH = settings(
    max_examples=2_000,  # the search ends at the first
    stateful_step_count=40,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    print_blob=False,
)


def commit_the_highest(patch):
    """Commit the offset after the last record that was read, finished or not."""
    of = PartitionOffsets.committable
    patch.setattr(PartitionOffsets, "committable", lambda self: of(self)._replace(offset=self.position))


def confirm_before_the_yes(patch):
    """Remember a message as reported when it is sent."""
    process = ClaimQueue.process

    def process_and_confirm(self, now_ms):
        granted, known = process(self, now_ms)
        self._store.confirm([message.claim for message in granted])
        return granted, known

    patch.setattr(ClaimQueue, "process", process_and_confirm)


def forget_to_release(patch):
    """Keep the claim of a message that was refused, or whose partition was revoked."""
    patch.setattr(ClaimQueue, "release", lambda self, messages: self._finish(messages))


def do_not_fence(patch):
    """Let an outcome of an earlier epoch move the offsets of the present one."""
    assign, before = Offsets.assign, {}

    def assign_the_same(self, start, topic_ids):
        assign(self, start, topic_ids)
        for partition, offsets in self.owned.items():
            place = (self, partition)  # not its id, which another one may have later
            if partition in start and place in before:
                old = before[place]
                old.closed, old.position, old.committed = False, offsets.position, offsets.committed
                self.owned[partition] = old
            before[place] = self.owned[partition]

    patch.setattr(Offsets, "assign", assign_the_same)


def do_not_seek_back(patch):
    """Hand records back to be read again later, and read on behind them."""
    read_again = Intake._read_again

    def read_on(self, *about):
        seek, self._source.seek = self._source.seek, lambda *_: None
        try:
            read_again(self, *about)
        finally:
            self._source.seek = seek

    patch.setattr(Intake, "_read_again", read_on)


def return_while_batches_are_out(patch):
    """End without waiting for the answers under way."""
    patch.setattr(LastAnswers, "finish", lambda *_: None)


def ignore_the_lease(patch):
    """Renew the lease now and then, and never look whether it has lapsed meanwhile."""
    keep = Lease.keep
    patch.setattr(Lease, "keep", lambda self, now_ms: bool(keep(self, now_ms)) and False)
    patch.setattr(Lease, "send_until_ms", property(lambda _: 10**15))


def let_an_older_version_follow_a_newer_one(patch):
    """Forget in which order the log tells the versions of a message."""
    patch.setattr("pipeline.dedup.entry.is_older", lambda _order, _than: False)


def let_the_store_follow_the_wall_clock(patch):
    """Give the store the time of the wall clock, which somebody may set while several processes share the store."""
    patch.setattr(StoreClock, "now_ms", lambda self: self._clocks.wall())


def take_any_store(patch):
    """Read on behind a commit that names another store."""
    patch.setattr(GroupStore, "check_assigned", lambda _, __: None)


def name_the_store_by_what_lies_below_the_head(patch):
    """Leave out the store's name while the first record of a partition is not finished, whatever is finished behind it."""
    patch.setattr(
        PartitionOffsets, "_is_remembered", property(lambda self: self._was_remembered or self._lifetime.remembered > 0)
    )


def forget_answers_when_the_disk_is_full(patch):
    """Let the store confirm only what it can write to the disk."""
    confirm = ModelStore.confirm

    def confirm_on_the_disk(self, claims):
        self._require_room()
        confirm(self, claims)

    patch.setattr(ModelStore, "confirm", confirm_on_the_disk)


def commit_before_it_is_shown(patch):
    """Commit without a word to whoever adds up what several processes did."""
    begin = Commits.__init__
    patch.setattr(Commits, "__init__", lambda self, *parts: begin(self, *parts[:4]))


def count_late_answers_nowhere(patch):
    """Leave out the messages of records that were returned before their answer came."""
    close = InFlight.close

    def close_unless_stale(self, message, end):
        if message.is_stale:
            message.record.offsets.message_results[end.result] -= 1
        return close(self, message, end)

    patch.setattr(InFlight, "close", close_unless_stale)


@pytest.mark.parametrize(
    "mistake",
    [
        commit_the_highest,
        confirm_before_the_yes,
        forget_to_release,
        do_not_fence,
        do_not_seek_back,
        return_while_batches_are_out,
        ignore_the_lease,
        let_an_older_version_follow_a_newer_one,
        let_the_store_follow_the_wall_clock,
        take_any_store,
        name_the_store_by_what_lies_below_the_head,
        forget_answers_when_the_disk_is_full,
        commit_before_it_is_shown,
        count_late_answers_nowhere,
    ],
    ids=lambda mistake: mistake.__name__,
)
def test_the_model_finds_a_mistake(mistake, monkeypatch):
    mistake(monkeypatch)
    with pytest.raises(FOUND):
        run_state_machine_as_test(JobMachine, settings=SEARCH)
