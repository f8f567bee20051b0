"""The desk where messages ask for the right to be reported: who is granted, who waits, who learns that it is known."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from pipeline.contracts.message_order import order_of
from pipeline.contracts.values import Claim, ClaimResult, Commit, Partition
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.job.claims import ASK_AGAIN_MS, ClaimQueue
from pipeline.job.in_flight import PendingMessage, PendingRecord
from pipeline.job.partition_offsets import PartitionOffsets
from schemas.log import RawRecord
from transforms.base import Kind

LEASE_MS = 5_000


def message(offset, key=b"order-1", offsets=None, version=0, order=b""):
    offsets = offsets or PartitionOffsets(Partition("log", 0), Commit(0, ""))
    pending = PendingRecord(RawRecord("log", 0, offset, -1, None, b""), offsets, 0)
    made = PendingMessage(Kind.EVENT, b"{}", Claim(key.ljust(16), version.to_bytes(8), offset.to_bytes(8), order))
    made.record = pending
    return made


class Clock:
    """The clock of a store, which shows the time that a test sets."""

    def __init__(self, now_ms=0):
        self.now_ms = now_ms

    def __call__(self):
        return self.now_ms


class Desk(ClaimQueue):
    """A queue whose store has the time of the latest `process`."""

    def __init__(self, store, clock):
        super().__init__(store)
        self._clock = clock

    def process(self, now_ms):
        self._clock.now_ms = now_ms
        return super().process(now_ms)


def desk(table, owner="here", clock=None):
    clock = clock or Clock()
    store = MemoryStore(table, owner, 10**9, LEASE_MS, clock)
    return Desk(store, clock), store


def ask(at, *messages, now_ms=0):
    at.add(messages)
    return at.process(now_ms)


def test_the_second_waits_and_is_a_duplicate_once_the_first_was_reported():
    here, _ = desk(MemoryTable())
    first, second = message(1), message(2)
    assert ask(here, first, second) == ([first], [])
    assert here.is_empty
    here.confirm([first])
    assert here.process(10) == ([], [(second, ClaimResult.DUPLICATE)])


def test_the_second_is_tried_itself_when_the_first_was_refused():
    here, _ = desk(MemoryTable())
    first, second, third = message(1), message(2), message(3)
    ask(here, first, second, third)
    here.release([first])
    assert here.process(10) == ([second], [])
    here.confirm([second])
    assert here.process(20) == ([], [(third, ClaimResult.DUPLICATE)])


def test_a_record_read_a_second_time_is_told_from_a_repeat():
    here, _ = desk(MemoryTable())
    once, again = message(1), message(1)
    ask(here, once)
    here.confirm([once])
    assert ask(here, again) == ([], [(again, ClaimResult.REDELIVERED)])


def test_what_another_process_holds_is_asked_for_again_in_a_while():
    table = MemoryTable()
    (here, _), (there, _) = desk(table), desk(table, "there")
    theirs, ours = message(1), message(2)
    ask(there, theirs)
    assert ask(here, ours, now_ms=1) == ([], [])
    assert here.waiting_elsewhere == 1
    there.release([theirs])
    assert here.process(1 + ASK_AGAIN_MS) == ([ours], [])
    assert here.waiting_elsewhere == 0


def test_who_waits_for_a_partition_taken_away_is_forgotten():
    table = MemoryTable()
    (here, _), (there, _) = desk(table), desk(table, "there")
    gone = PartitionOffsets(Partition("log", 1), Commit(0, ""))
    first, waiting, elsewhere, asking = (
        message(1),
        message(2, offsets=gone),
        message(3, b"order-2", gone),
        message(4, b"order-3", gone),
    )
    ask(there, message(9, b"order-2"))
    ask(here, first, waiting, elsewhere)
    here.add([asking])
    gone.closed = True
    here.drop_stale()
    assert (here.is_empty, here.waiting_elsewhere) == (True, 0)
    here.release([first])
    assert here.is_empty


def test_who_waits_stays_before_who_comes_later_when_the_claim_lapsed():
    table = MemoryTable()
    clock = Clock()
    here, store = desk(table, clock=clock)
    first, waiting = message(1), message(2)
    ask(here, first, waiting)
    clock.now_ms = LEASE_MS + 1
    there, _ = desk(table, "there", clock)  # while this process slept, another had the claim and gave it back
    [theirs], _ = ask(there, message(5), now_ms=LEASE_MS + 1)
    there.release([theirs])
    clock.now_ms = LEASE_MS + 2
    store.renew()
    late = message(3)
    assert ask(here, late, now_ms=LEASE_MS + 2) == ([], [])
    here.renew([first])
    assert here.process(LEASE_MS + 3) == ([first], [])
    here.release([first])
    assert here.process(LEASE_MS + 3) == ([waiting], [])
    here.confirm([waiting])
    assert here.process(LEASE_MS + 3) == ([], [(late, ClaimResult.DUPLICATE)])


def test_who_comes_later_does_not_pass_who_waits_for_another_process():
    table = MemoryTable()
    (here, _), (there, _) = desk(table), desk(table, "there")
    theirs, early, late = message(1), message(2, version=2), message(3, version=3)
    ask(there, theirs)
    ask(here, early, now_ms=1)
    here.process(1)  # asked again, and still held
    there.release([theirs])
    assert ask(here, late, now_ms=2) == ([], [])  # it would be granted, were it asked for
    assert here.waiting_elsewhere == 2
    assert here.process(1 + ASK_AGAIN_MS) == ([early], [])
    here.confirm([early])
    assert here.process(300) == ([late], [])


def test_many_duplicates_of_one_message_are_asked_for_together():
    table = MemoryTable()
    here, store = desk(table)
    asked, claim = [], store.claim
    store.claim = lambda claims: asked.append(len(claims)) or claim(claims)
    first, *others = [message(number) for number in range(1_000)]
    ask(here, first)
    ask(here, *others)
    here.confirm([first])
    assert here.process(10) == ([], [(each, ClaimResult.DUPLICATE) for each in others])
    assert here.is_empty
    assert asked == [1, 999]


def test_a_newer_record_of_a_version_behind_an_older_one_is_granted_once():
    table = MemoryTable()
    (here, _), (_, there) = desk(table), desk(table, "there")
    older, newer, last = (message(number, version=1, order=order_of(1, number, 0)) for number in (5, 7, 8))
    there.confirm([message(6, version=2, order=order_of(1, 6, 0)).claim])
    assert ask(here, older, newer, last) == ([newer], [(older, ClaimResult.REDELIVERED)])
    assert here.is_empty
    here.confirm([newer])
    assert here.process(10) == ([], [(last, ClaimResult.DUPLICATE)])


class AnyOrder(RuleBasedStateMachine):
    """One desk, another process with the same store, and everything that may happen to claims, in any order.

    What must hold: the messages of a key are finished in the order in which they were first asked for, and all of them are.
    """

    def __init__(self):
        super().__init__()
        table = MemoryTable()
        self.clock = Clock()
        self.here, self.store = desk(table, clock=self.clock)
        self.theirs = MemoryStore(table, "there", 10**9, LEASE_MS, self.clock)
        self.asked = 0
        self.unfinished = {}  # key -> messages in the order of asking
        self.granted, self.held_there = [], {}
        self.partition = PartitionOffsets(Partition("log", 1), Commit(0, ""))

    @rule(key=st.integers(0, 2), version=st.integers(0, 2), is_leaving=st.booleans(), told=st.integers(0, 3))
    def ask(self, key, version, is_leaving, told):
        self.asked += 1
        order = order_of(1, told, 0) if told else b""
        made = message(self.asked, b"key-%d" % key, self.partition if is_leaving else None, version, order)
        self.unfinished.setdefault(made.claim.key, []).append(made)
        self.here.add([made])

    @rule()
    def settle(self):
        self.clock.now_ms += 70
        while True:
            granted, known = self.here.process(self.clock.now_ms)
            for each, _ in known:
                assert self.unfinished[each.claim.key].pop(0) is each
            for each in granted:  # perhaps behind a known one
                assert self.unfinished[each.claim.key][0] is each
            self.granted += granted
            if self.here.is_empty:
                break

    @rule(place=st.integers(0, 5), outcome=st.sampled_from(["delivered", "refused", "withdrawn"]))
    def answer(self, place, outcome):
        if not self.granted:
            return
        one = self.granted.pop(place % len(self.granted))
        if outcome == "withdrawn":
            self.here.renew([one])
            return
        assert self.unfinished[one.claim.key].pop(0) is one
        if outcome == "delivered":
            self.here.confirm([one])
        else:
            self.here.release([one])

    @rule(key=st.integers(0, 2))
    def claim_there(self, key):
        one = message(10**6 + key, b"key-%d" % key)
        if self.theirs.claim([one.claim]) == [ClaimResult.GRANTED]:
            self.held_there[key] = one.claim

    @rule(key=st.integers(0, 2), is_delivered=st.booleans())
    def answer_there(self, key, is_delivered):
        if (claim := self.held_there.pop(key, None)) is not None:
            if is_delivered:
                self.theirs.confirm([claim])
            else:
                self.theirs.release([claim])

    @rule()
    def sleep_longer_than_the_lease(self):
        self.clock.now_ms += LEASE_MS + 1
        self.theirs.renew()
        self.store.renew()

    @rule()
    def revoke(self):
        self.partition.closed = True
        self.here.drop_stale()
        for line in self.unfinished.values():
            line[:] = [each for each in line if each in self.granted or not each.is_stale]
        self.partition = PartitionOffsets(Partition("log", 1), Commit(0, ""))

    def teardown(self):
        self.theirs.close()
        for _ in range(1 + 2 * self.asked):
            self.clock.now_ms += ASK_AGAIN_MS
            self.settle()
            while self.granted:
                self.answer(0, "delivered")
        assert not any(self.unfinished.values())


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(stateful_step_count=60)
