"""A dedup store that does not answer for a time, while the job runs and while it ends."""

from __future__ import annotations

import re
from contextlib import contextmanager
from random import Random

import pytest

from pipeline.errors import DeadLetterUnavailable, StoreUnavailable
from tests.unit.job.test_runner import World, value

VERBS = ("claim", "confirm", "release", "renew", "sync")
GRACE_MS = 30_000


class Switch:
    """The store of a process, which answers or does not."""

    def __init__(self, store, clock):
        self._clock = clock
        self.back_ms = None  # when it answers again; None while it answers
        for verb in VERBS:
            setattr(store, verb, self._asked(getattr(store, verb)))

    def _asked(self, ask):
        def answer(*about):
            if self.back_ms is not None and self._clock.now_ms < self.back_ms:
                raise StoreUnavailable("the dedup store does not answer", may_pass=True)
            return ask(*about)

        return answer


@pytest.fixture
def place():
    """A process that has sent some batches, and whose API has answered none of them yet."""
    world = World([[value(number) for number in range(30)]], Random(2))
    world.answer_ms = lambda: 2_000
    world.api.chance = Always()
    runner = world.begin(0)
    world.rebalance(0)
    switch = Switch(runner.parts.store, world.clock)
    while world.api.taken.total() < 30:
        runner.turn()
    return world, runner, switch


class Always:
    """The chance of an API without faults."""

    def random(self):
        return 0.9


@contextmanager
def nothing_twice(world):
    """What one process leaves, another one ends; and nothing is taken a second time."""
    yield
    world.clock.now_ms += GRACE_MS
    runner = world.begin(0)
    world.rebalance(0)
    while not world.group.is_done():
        runner.turn()
    runner.status().total.check()
    assert set(world.api.taken.values()) == {1}


def test_a_stop_waits_within_its_grace_for_a_store_that_is_to_remember_what_was_accepted(place):
    world, runner, switch = place
    with nothing_twice(world):
        switch.back_ms = world.clock.now_ms + GRACE_MS // 2
        runner.stop()
        runner.run()
        assert world.clock.now_ms < switch.back_ms + GRACE_MS // 2


def test_a_stop_does_not_wait_for_a_store_that_has_nothing_to_remember(place):
    world, runner, switch = place
    with nothing_twice(world):
        while not world.group.is_done():
            runner.turn()
        world.clock.now_ms += 2_000  # the lease is to be renewed
        switch.back_ms = world.clock.now_ms + 10 * GRACE_MS
        stopped_ms = world.clock.now_ms
        runner.stop()
        runner.run()
        assert world.clock.now_ms - stopped_ms < 1_000


def test_the_last_commit_needs_no_store(place):
    """The store goes away together with the job, and the last commit waits for the brokers for longer than a lease is renewed."""
    world, runner, switch = place
    source, commit = runner.parts.source, runner.parts.source.commit
    source.commit = lambda _: False  # a rebalance
    while runner.status().total.reported < 30:
        runner.turn()
    for _ in range(40):
        runner.turn()

    def wait_and_commit(offsets):
        world.clock.now_ms += 2_000
        runner.parts.deadline.while_waiting()
        return commit(offsets)

    source.commit = wait_and_commit
    switch.back_ms = world.clock.now_ms + 10 * GRACE_MS
    runner.stop()
    runner.run()
    assert world.group.is_done()


def test_a_stop_while_the_store_is_away_does_not_hide_another_error(place):
    world, runner, switch = place
    with nothing_twice(world):
        while not world.group.is_done():
            runner.turn()
        world.clock.now_ms += 2_000
        switch.back_ms = world.clock.now_ms + 10 * GRACE_MS
        runner.parts.dead_letters.is_away = True
        runner.stop()
        with pytest.raises(DeadLetterUnavailable):
            runner.run()
        runner.parts.dead_letters.is_away = False


def test_a_stop_ends_with_an_error_where_the_store_stays_away_longer_than_the_grace(place, caplog):
    world, runner, switch = place
    stopped_ms = world.clock.now_ms
    switch.back_ms = stopped_ms + 10 * GRACE_MS
    runner.stop()
    with pytest.raises(StoreUnavailable):
        runner.run()
    assert GRACE_MS <= world.clock.now_ms - stopped_ms < GRACE_MS + 1_000
    assert re.search(r"did not confirm \d+ delivered messages", caplog.text)


def test_a_job_that_has_waited_long_enough_ends_with_an_error_though_the_store_is_back_in_the_end(place):
    world, runner, switch = place
    with nothing_twice(world):
        switch.back_ms = world.clock.now_ms + 5_000  # the store's own wait is over: the first question raises
        with pytest.raises(StoreUnavailable):
            runner.run()
        assert world.clock.now_ms < switch.back_ms + 1_000


def test_the_status_says_what_is_waited_for_until_a_stop_or_an_error(place):
    world, runner, switch = place
    shown = []
    runner._on_status = shown.append
    assert runner.may_wait_for_store("the server does not answer")
    assert [status.held for status in shown] == ["the server does not answer"]
    shown[0].total.check()
    runner.stop()
    assert not runner.may_wait_for_store("the server does not answer")
