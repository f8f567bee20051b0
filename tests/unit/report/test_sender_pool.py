"""The sender threads: they return outcomes and exceptions, and no call waits for ever."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from pipeline.contracts.values import Delivered, Unsent
from pipeline.report.sender_pool import SenderThreads
from transforms.base import Kind

LATER = 10**12
"""A deadline that no test reaches."""


class Gated:
    """A reporter that answers when the test allows it."""

    def __init__(self, gate=None):
        self.gate = gate
        self.calls = []
        self.threads = set()
        self.is_closed = threading.Event()

    def report(self, kind, messages, _is_late):
        self.threads.add(threading.current_thread())
        if self.gate is not None:
            self.gate.wait(30)
        self.calls.append((kind, messages))
        return Delivered(str(len(messages)))

    def close(self):
        self.is_closed.set()


class Faulty(Gated):
    def report(self, *_batch):
        raise ZeroDivisionError("a fault in a reporter")


@contextmanager
def senders_of(*reporters):
    left = iter(reporters)
    senders = SenderThreads(lambda: next(left), len(reporters), lambda: 0)
    try:
        yield senders
    finally:
        senders.close(10)


def test_an_accepted_call_says_how_long_it_took():
    now_ms = [1_000]

    class Slow(Gated):
        def report(self, kind, messages, is_late):
            now_ms[0] += 70
            return super().report(kind, messages, is_late)

    senders = SenderThreads(Slow, 1, lambda: now_ms[0])
    senders.submit("a", Kind.EVENT, [b"{}"], LATER)
    senders.close(10)
    assert senders.collect() == [("a", Delivered("1", took_ms=70))]


def test_each_outcome_comes_back_with_its_ticket():
    reporters = [Gated() for _ in range(3)]
    with senders_of(*reporters) as senders:
        for ticket in range(3):
            senders.submit(ticket, Kind.EVENT, [b"{}"] * (ticket + 1), LATER)
        found = {}
        while len(found) < 3:
            assert senders.wait(10)
            found |= dict(senders.collect())
    assert found == {ticket: Delivered(str(ticket + 1), took_ms=0) for ticket in range(3)}


def test_idle_counts_the_free_threads_and_more_is_not_taken():
    gate = threading.Event()
    with senders_of(Gated(gate), Gated(gate)) as senders:
        assert senders.idle == 2
        senders.submit("a", Kind.EVENT, [], LATER)
        senders.submit("b", Kind.USER, [], LATER)
        assert senders.idle == 0
        with pytest.raises(RuntimeError, match="idle"):
            senders.submit("c", Kind.EVENT, [], LATER)
        gate.set()
        done = []
        while len(done) < 2:
            assert senders.wait(10)
            done += senders.collect()
        assert senders.idle == 2


def test_collect_and_wait_do_not_block_when_there_is_nothing():
    gate = threading.Event()
    with senders_of(Gated(gate)) as senders:
        assert senders.collect() == []
        assert not senders.wait(0)
        senders.submit("a", Kind.EVENT, [], LATER)
        assert senders.collect() == []
        assert not senders.wait(0)
        gate.set()
        assert senders.wait(10)
        assert senders.wait(1_000)
        assert [ticket for ticket, _ in senders.collect()] == ["a"]


def test_each_thread_has_a_reporter_of_its_own():
    everyone = threading.Barrier(4)  # four threads must call at the same time to pass it
    reporters = [Gated(everyone) for _ in range(4)]
    with senders_of(*reporters) as senders:
        for ticket in range(4):
            senders.submit(ticket, Kind.EVENT, [], LATER)
    assert all(len(reporter.threads) == 1 for reporter in reporters)
    assert len(set().union(*(reporter.threads for reporter in reporters))) == 4


def test_what_a_reporter_raises_reaches_the_owner_and_the_thread_goes_on():
    with senders_of(Faulty()) as senders:
        for ticket in range(3):
            senders.submit(ticket, Kind.EVENT, [], LATER)
            assert senders.wait(10)
            with pytest.raises(ZeroDivisionError, match="a fault in a reporter"):
                senders.collect()
            assert senders.idle == 1
            assert senders.collect() == []


def test_a_fault_does_not_take_the_other_outcomes_with_it():
    faulty, good = Faulty(), Gated()
    meet = threading.Barrier(2)
    for reporter in (faulty, good):
        inner = reporter.report

        def after_meeting(*batch, inner=inner):
            meet.wait(10)  # so that each thread has one of the two batches
            return inner(*batch)

        reporter.report = after_meeting
    with senders_of(faulty, good) as senders:
        senders.submit("a", Kind.EVENT, [], LATER)
        senders.submit("b", Kind.EVENT, [], LATER)
        senders.close(10)
        with pytest.raises(ZeroDivisionError):
            senders.collect()
        assert len(senders.collect()) == 1
        assert senders.idle == 2


def test_close_lets_the_call_finish_closes_the_clients_and_keeps_the_outcome():
    gate = threading.Event()
    reporter = Gated(gate)
    senders = SenderThreads(lambda: reporter, 1, lambda: 0)
    senders.submit("a", Kind.EVENT, [b"{}"], LATER)
    gate.set()
    senders.close(10)
    assert reporter.is_closed.is_set()
    assert senders.collect() == [("a", Delivered("1", took_ms=0))]


def test_close_does_not_wait_longer_than_it_may_for_a_call_that_hangs():
    gate = threading.Event()
    reporter = Gated(gate)
    senders = SenderThreads(lambda: reporter, 1, lambda: 0)
    senders.submit("a", Kind.EVENT, [], LATER)
    senders.close(0.01)
    assert not reporter.is_closed.is_set()
    gate.set()
    assert reporter.is_closed.wait(10)


def test_a_client_that_cannot_be_made_closes_those_made_before():
    first = Gated()
    made = iter([first])

    def make():
        try:
            return next(made)
        except StopIteration:
            raise OSError("no more") from None

    with pytest.raises(OSError, match="no more"):
        SenderThreads(make, 2, lambda: 0)
    assert first.is_closed.is_set()


def test_a_call_is_not_begun_once_its_deadline_has_come():
    reporter, now_ms = Gated(), [0]
    senders = SenderThreads(lambda: reporter, 1, lambda: now_ms[0])
    outcomes = []
    for deadline_ms in (1, 5, 4):
        now_ms[0] = 4  # the process stood still since it gave the batch to the thread
        senders.submit(deadline_ms, Kind.EVENT, [], deadline_ms)
        while not (collected := senders.collect()):
            senders.wait(30)
        outcomes += collected
    senders.close(30)
    assert outcomes == [(1, Unsent()), (5, Delivered("0", took_ms=0)), (4, Unsent())]
    assert len(reporter.calls) == 1
