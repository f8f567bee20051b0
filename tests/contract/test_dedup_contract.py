"""One suite against every dedup store, and a model that each must agree with."""

import multiprocessing
import os
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pipeline.contracts.values import ClaimResult
from tests.support.dedup_stores import (
    KEEP,
    LEASE,
    NOW,
    UNIT,
    LmdbStores,
    MemoryStores,
    RedisServer,
    RedisStores,
    claim,
    serve_lmdb,
    told,
)
from tests.support.examples import examples

GRANTED, HELD, DUPLICATE, REDELIVERED = ClaimResult


@pytest.fixture(scope="module")
def other_process():
    spawn = multiprocessing.get_context("spawn")
    pipe, far_end = spawn.Pipe()
    process = spawn.Process(target=serve_lmdb, args=(far_end,), daemon=True)
    process.start()
    yield pipe
    pipe.send(None)
    process.join(20)
    process.close()
    pipe.close()
    far_end.close()


@pytest.fixture(scope="module")
def redis_url():
    if url := os.environ.get("LOG2MQ_TEST_REDIS"):
        yield url  # its database is flushed
        return
    server = RedisServer("--save", "")
    yield server.url
    server.remove()


@pytest.fixture(params=["memory", "lmdb", "redis"])
def stores(request, tmp_path, monkeypatch):
    match request.param:
        case "memory":
            made = MemoryStores()
        case "lmdb":
            monkeypatch.setattr("pipeline.dedup.lmdb_store.mover.SLICE", 300)  # so that they are moved in many steps
            made = LmdbStores(tmp_path, request.getfixturevalue("other_process"))
        case _:
            made = RedisStores(request.getfixturevalue("redis_url"))
    made.fresh()
    yield made
    if request.param == "redis":
        made.client.close()


@pytest.fixture
def pair(stores):
    opened = stores.open("a"), stores.open("b")
    yield opened
    for store in opened:
        store.close()


# --- the contract ------------------------------------------------------------------------------------------------------------


def test_a_new_key_is_granted_once_and_held_until_its_outcome(pair):
    a, b = pair
    assert a.claim([claim(1), claim(2), claim(1)]) == [GRANTED, GRANTED, HELD]
    assert a.claim([claim(1)]) == [HELD]
    assert b.claim([claim(2), claim(3)]) == [HELD, GRANTED]
    assert a.claim([claim(3)]) == [HELD]


def test_nothing_asked_is_nothing_answered(pair):
    a, _ = pair
    assert a.claim([]) == []
    a.confirm([])
    a.release([])


def test_a_confirmed_key_is_a_duplicate_for_another_record_and_reread_for_its_own(pair):
    a, _ = pair
    a.claim([claim(1, origin=7)])
    a.confirm([claim(1, origin=7)])
    for store in pair:
        assert store.claim([claim(1, origin=7), claim(1, origin=8)]) == [REDELIVERED, DUPLICATE]


def test_a_store_tells_how_full_it_is(pair):
    a, _ = pair
    claims = [claim(number) for number in range(500)]
    before = a.usage()
    a.claim(claims)
    a.confirm(claims)
    after = a.usage()
    assert after.keys >= before.keys + 500
    if after.used_bytes is not None:
        assert after.used_bytes >= 0  # entries of a store in a folder take their room later
        assert after.most_bytes is None or after.used_bytes < after.most_bytes


def test_a_released_key_is_granted_to_whoever_asks_next(pair):
    a, b = pair
    a.claim([claim(1)])
    a.release([claim(1)])
    assert b.claim([claim(1)]) == [GRANTED]


def test_another_version_of_a_confirmed_key_is_granted_and_if_released_the_old_one_is_still_known(pair):
    a, b = pair
    a.claim([claim(1, digest=1)])
    a.confirm([claim(1, digest=1)])
    assert b.claim([claim(1, digest=2)]) == [GRANTED]
    assert a.claim([claim(1, digest=1), claim(1, digest=2)]) == [HELD, HELD]
    b.release([claim(1, digest=2)])
    assert a.claim([claim(1, digest=1)]) == [REDELIVERED]
    assert a.claim([claim(1, digest=2)]) == [GRANTED]
    a.confirm([claim(1, digest=2)])
    assert b.claim([claim(1, digest=2, origin=5)]) == [DUPLICATE]
    assert b.claim([claim(1, digest=1)]) == [GRANTED]


def test_a_confirmation_ends_after_its_time_to_live(pair, stores):
    a, b = pair
    a.claim([claim(1)])
    stores.wait(UNIT)
    a.confirm([claim(1)])
    stores.wait(KEEP - stores.margin_ms)
    assert b.claim([claim(1)]) == [REDELIVERED]
    stores.wait(stores.margin_ms)
    assert b.claim([claim(1)]) == [GRANTED]


def test_confirming_again_begins_the_time_to_live_anew(pair, stores):
    a, b = pair
    a.confirm([claim(1)])
    stores.wait(KEEP // 2)
    a.confirm([claim(1)])
    stores.wait(KEEP - stores.margin_ms)
    assert b.claim([claim(1)]) == [REDELIVERED]


def test_claims_end_with_their_owners_lease(pair, stores):
    a, b = pair
    a.claim([claim(1)])
    stores.wait(LEASE - stores.margin_ms)
    b.renew()
    assert b.claim([claim(1)]) == [HELD]
    stores.wait(stores.margin_ms)
    assert b.claim([claim(1)]) == [GRANTED]


def test_one_renewal_keeps_every_claim(pair, stores):
    a, b = pair
    many = [claim(number) for number in range(3_000)]
    assert set(a.claim(many)) == {GRANTED}
    stores.wait(LEASE - stores.margin_ms)
    a.renew()
    stores.wait(LEASE - stores.margin_ms)
    b.renew()
    assert set(b.claim(many)) == {HELD}


def test_a_closed_owners_claims_are_released_at_once(stores):
    a, b = stores.open("a"), stores.open("b")
    a.claim([claim(1)])
    a.close()
    a.close()
    assert b.claim([claim(1)]) == [GRANTED]
    b.close()


def test_confirming_after_the_lease_lapsed_counts_although_another_holds_the_claim(pair, stores):
    a, b = pair
    a.claim([claim(1)])
    stores.wait(LEASE)
    b.renew()
    assert b.claim([claim(1, origin=1)]) == [GRANTED]
    a.confirm([claim(1)])
    assert a.claim([claim(1, origin=2)]) == [HELD]  # b has not finished
    b.release([claim(1, origin=1)])
    assert a.claim([claim(1, origin=2)]) == [DUPLICATE]


def test_release_leaves_what_another_owner_holds(pair):
    a, b = pair
    a.claim([claim(1)])
    b.release([claim(1)])
    assert b.claim([claim(1)]) == [HELD]


def test_release_leaves_what_is_confirmed(pair):
    a, b = pair
    a.claim([claim(1)])
    a.confirm([claim(1)])
    a.release([claim(1)])
    b.release([claim(1)])
    assert b.claim([claim(1)]) == [REDELIVERED]


def test_what_is_confirmed_outlives_its_owner(stores):
    a = stores.open("a")
    many = [claim(number) for number in range(2_500)]
    a.claim(many)
    a.confirm(many)
    a.sync()
    a.close()
    stores.wait(1)
    a = stores.open("a")
    assert set(a.claim(many)) == {REDELIVERED}
    a.close()


def test_a_store_keeps_its_identity_whoever_opens_it_and_another_store_has_another_one(stores):
    seen = []
    for _ in range(2):
        first, other = stores.open("a"), stores.open("b")
        assert first.identity == other.identity
        first.confirm([claim(1)])
        first.sync()
        first.close()
        again = stores.open("a-again")
        assert again.identity == other.identity
        seen.append(again.identity.id)
        again.close()
        other.close()
        stores.fresh()
    assert len({*seen}) == 2
    assert all(10 <= len(each) <= 40 and each.isascii() for each in seen)


def test_sweeping_forgets_nothing_that_still_counts(pair, stores):
    a, b = pair
    confirmed = [claim(number) for number in range(5_000)]
    a.claim(confirmed)
    a.confirm(confirmed)
    held = [claim(number) for number in range(5_000, 6_000)]
    a.claim(held)
    for second in range(60):
        a.renew()
        b.renew()
        assert (a if second % 2 else b).sweep() == 0
        assert b.claim([confirmed[second], held[second]]) == [REDELIVERED, HELD]
        stores.wait(1_000)
    assert set(b.claim(confirmed)) == {REDELIVERED}
    assert set(b.claim(held)) == {HELD}


def test_expired_and_lapsed_keys_are_granted_before_and_after_sweeping(pair, stores):
    a, b = pair
    a.confirm([claim(number) for number in range(100)])
    a.claim([claim(number) for number in range(100, 200)])
    stores.wait(KEEP)
    b.renew()
    assert set(b.claim([claim(number) for number in range(0, 200, 2)])) == {GRANTED}
    for _ in range(30):
        b.renew()
        b.sweep()
        stores.wait(1_000)
    assert set(b.claim([claim(number) for number in range(1, 200, 2)])) == {GRANTED}
    assert set(b.claim([claim(number) for number in range(0, 200, 2)])) == {HELD}


def test_sweeping_says_how_many_it_forgot(stores):
    a = stores.open("a")
    a.confirm([claim(number) for number in range(5_000)])
    swept = 0
    for pause_ms in (1_000, KEEP):
        stores.wait(pause_ms)
        for _ in range(50):
            swept += a.sweep()
            stores.wait(1_000)
    by_itself = isinstance(stores, RedisStores)  # see test_redis_forgets_by_itself
    assert swept == (0 if by_itself else 5_000)
    a.close()


@pytest.mark.parametrize("by_ms", [-(10**12), -3_600_000, 3_600_000, 10**12])
def test_a_host_whose_wall_clock_is_set_ends_no_claim_and_forgets_nothing(stores, by_ms):
    a = stores.open("a")
    a.confirm([claim(1)])
    a.claim([claim(2)])
    stores.set_wall_clock(by_ms)
    b = stores.open("b")
    assert b.claim([claim(1), claim(2)]) == [REDELIVERED, HELD]
    b.claim([claim(3)])
    stores.set_wall_clock(-by_ms)
    assert a.claim([claim(2), claim(3)]) == [HELD, HELD]
    stores.wait(LEASE)
    a.renew()
    assert a.claim([claim(1), claim(2), claim(3)]) == [REDELIVERED, HELD, GRANTED]
    for store in (a, b):
        store.close()


# --- versions in the order of the log ----------------------------------------------------------------------------------------

LATER, SOONER = NOW + 1, NOW - 1


def report(store, *claims):
    """Report messages one after the other, and return the answers to their claims."""
    results = []
    for each in claims:
        results += store.claim([each])
        if results[-1] is GRANTED:
            store.confirm([each])
    return results


def test_an_older_version_is_never_granted_after_a_newer_one(pair):
    a, b = pair
    first, second = claim(1, 1, 5, told(5)), claim(1, 2, 6, told(6))
    assert report(a, first, second) == [GRANTED, GRANTED]
    assert report(b, first, second) == [REDELIVERED, REDELIVERED]
    assert report(b, claim(1, 3, 7, told(7)), second, first) == [GRANTED, REDELIVERED, REDELIVERED]


def test_of_two_messages_of_one_record_the_later_one_is_newer(pair):
    a, b = pair
    first, second = claim(1, 1, 5, told(5)), claim(1, 2, 9, told(5, position=1))
    assert report(a, first, second) == [GRANTED, GRANTED]
    assert report(b, first, second) == [REDELIVERED, REDELIVERED]


@pytest.mark.parametrize(
    ("order", "result"),
    [
        (told(1, place=2, time_ms=SOONER), DUPLICATE),
        (told(1, place=2, time_ms=LATER), GRANTED),
        (told(9, place=2, time_ms=NOW), GRANTED),  # equal times: the order of the places, everywhere
        (told(9, place=0, time_ms=NOW), DUPLICATE),
        (told(1, place=2, time_ms=-1), GRANTED),  # without a time nobody knows
        (b"", GRANTED),
    ],
)
def test_between_two_partitions_the_times_of_the_records_decide(pair, order, result):
    a, b = pair
    assert report(a, claim(1, 1, 5, told(5))) == [GRANTED]
    assert report(b, claim(1, 2, 6, order)) == [result]


def test_times_that_run_backwards_in_a_partition_do_not_make_what_it_tells_later_older(pair):
    a, b = pair
    assert report(a, claim(1, 1, 5, told(5, time_ms=LATER)), claim(1, 2, 6, told(6, time_ms=SOONER))) == [GRANTED] * 2
    assert report(b, claim(1, 3, 7, told(1, place=9, time_ms=NOW))) == [DUPLICATE]
    assert report(b, claim(1, 3, 8, told(2, place=9, time_ms=LATER))) == [GRANTED]


def test_a_version_that_the_log_tells_again_keeps_the_older_ones_before_it_away(pair):
    a, b = pair
    refused = claim(1, 2, 10, told(10))
    assert report(a, claim(1, 1, 5, told(5))) == [GRANTED]
    assert a.claim([refused]) == [GRANTED]
    a.release([refused])
    assert report(b, claim(1, 1, 20, told(20))) == [DUPLICATE]
    assert report(a, refused) == [REDELIVERED]
    assert report(b, claim(1, 1, 5, told(5)), claim(1, 1, 20, told(20))) == [REDELIVERED, DUPLICATE]
    assert report(b, claim(1, 2, 21, told(21))) == [GRANTED]


def test_several_claims_of_a_version_told_again_are_answered_in_one_call(pair):
    a, b = pair
    report(a, claim(1, 1, 5, told(5)))
    asked = [claim(1, 1, 7, told(7)), claim(1, 1, 6, told(6)), claim(1, 2, 8, told(8)), claim(1, 1, 9, told(9))]
    assert a.claim(asked) == [DUPLICATE, DUPLICATE, GRANTED, HELD]
    a.release([asked[2]])
    assert b.claim([claim(1, 2, 6, told(6))]) == [REDELIVERED]


def test_the_late_answer_of_an_older_version_does_not_replace_a_newer_one(pair, stores):
    a, b = pair
    older, newer = claim(1, 1, 5, told(5)), claim(1, 2, 6, told(6))
    a.claim([older])
    stores.wait(LEASE)
    b.renew()
    assert report(b, newer) == [GRANTED]
    a.confirm([older, claim(2)])
    assert b.claim([older, newer, claim(2)]) == [REDELIVERED, REDELIVERED, REDELIVERED]


def test_a_version_that_expired_keeps_no_older_one_away(pair, stores):
    a, b = pair
    assert report(a, claim(1, 2, 6, told(6))) == [GRANTED]
    stores.wait(KEEP)
    assert report(b, claim(1, 1, 5, told(5))) == [GRANTED]
    assert a.claim([claim(1, 1, 5, told(5))]) == [REDELIVERED]


def test_a_version_told_again_lives_no_longer(pair, stores):
    a, b = pair
    assert report(a, claim(1, 1, 5, told(5))) == [GRANTED]
    stores.wait(KEEP - stores.margin_ms)
    assert report(b, claim(1, 1, 6, told(6))) == [DUPLICATE]
    stores.wait(stores.margin_ms)
    assert report(a, claim(1, 1, 7, told(7))) == [GRANTED]


def test_orders_outlive_their_owner_and_every_step_of_sweeping(pair, stores):
    a, b = pair
    numbers = range(300)
    a.confirm([claim(each, 1, 5, told(5)) for each in numbers] + [claim(each) for each in range(1_000, 1_300)])
    for second in range(60):
        a.renew()
        b.renew()
        (a if second % 2 else b).sweep()
        number, again = numbers[second], numbers[second + 100]
        assert b.claim([claim(again, 1, 9, told(9 + second))]) == [DUPLICATE]
        assert b.claim([claim(number, 2, 4, told(4)), claim(1_000 + second)]) == [REDELIVERED] * 2
        assert a.claim([claim(again, 2, 8, told(8))]) == [REDELIVERED]
        stores.wait(1_000)
    assert set(a.claim([claim(each, 2, 4, told(4)) for each in numbers])) == {REDELIVERED}


@pytest.mark.parametrize("ends", ["closes", "lapses", "has no answer"])
@pytest.mark.parametrize("sweeps", [0, 15])
def test_an_owner_that_ends_leaves_the_confirmed_version_in_doubt(stores, ends, sweeps):
    a, b = stores.open("a"), stores.open("b")
    assert report(a, claim(1, 1, 5, told(5)), claim(2, 1, 5, told(5)), claim(3)) == [GRANTED] * 3
    doubtful = [claim(1, 2, 6, told(6)), claim(2, 2, 6, told(6))]
    assert a.claim(doubtful) == [GRANTED, GRANTED]
    if ends == "closes":
        a.close()
    if ends == "has no answer":
        a.release(doubtful, in_doubt=True)
    stores.wait(LEASE)
    b.renew()
    for _ in range(sweeps):
        b.sweep()
        stores.wait(1_000)
    assert b.look_up([claim(1, 1, 9, told(9))]) == [GRANTED]
    assert report(b, claim(1, 1, 5, told(5))) == [REDELIVERED]  # read again: the other one comes next
    assert b.claim([claim(1, 1, 9, told(9))]) == [GRANTED]  # told again: the other one may have been reported
    b.release([claim(1, 1, 9, told(9))])
    assert report(b, claim(1, 1, 9, told(9)), doubtful[0]) == [GRANTED, REDELIVERED]
    assert report(b, claim(1, 1, 10, told(10))) == [DUPLICATE]  # no more in doubt
    assert report(b, claim(2, 1, 5, told(5)), doubtful[1], claim(2, 2, 7, told(7))) == [
        REDELIVERED,
        GRANTED,
        DUPLICATE,
    ]
    assert report(b, claim(3)) == [REDELIVERED]
    for store in (a, b):
        store.close()


def test_looking_up_answers_as_a_claim_does_and_changes_nothing(pair):
    a, b = pair
    report(a, claim(1, 1, 5, told(5)), claim(2))
    a.claim([claim(3)])
    asked = [claim(1, 1, 6, told(6)), claim(1, 2, 7, told(7)), claim(1), claim(2), claim(3), claim(4), claim(4)]
    for store in (a, b, a):
        assert store.look_up(asked) == [DUPLICATE, GRANTED, HELD, REDELIVERED, HELD, GRANTED, HELD]
    assert b.claim([claim(1, 2, 6, told(6)), claim(4)]) == [GRANTED, GRANTED]
    assert a.look_up([]) == []


def test_a_version_in_doubt_that_is_told_without_a_time_moves_the_order_on(pair, stores):
    """The owner of the claim ended, so the confirmed version is in doubt; it is told again by a record of which nobody knows whether it is later."""
    a, b = pair
    stores.wait(LEASE)
    a.claim([claim(1)])  # under a lease that has ended
    b.confirm([claim(1, 1, 1, told(300, place=2, time_ms=257))])
    again = claim(1, 1, 1, told(300, place=1, time_ms=-1))
    other = claim(
        1, 2, 2, told(3, place=2, time_ms=257)
    )  # older than what was confirmed, and not than what was told again
    assert b.claim([again, other]) == [REDELIVERED, GRANTED]


# --- the model ---------------------------------------------------------------------------------------------------------------


@dataclass
class Model:
    """The rules of a store in their simplest form."""

    confirmed: dict = field(default_factory=dict)  # key -> (until, digest, origin, order)
    claims: dict = field(default_factory=dict)  # key -> owner
    leases: dict = field(default_factory=dict)  # owner -> until
    doubtful: set = field(default_factory=set)  # keys whose confirmed entry may be in doubt
    lapsed: set = field(
        default_factory=set
    )  # (key, owner) whose lease ended once: a renewal may or may not renew the claim

    def lives(self, owner, now_ms):
        return self.leases.get(owner, 0) > now_ms

    def lapse(self, now_ms):
        self.lapsed |= {(key, owner) for key, owner in self.claims.items() if not self.lives(owner, now_ms)}

    def expect(self, asked, now_ms):
        """Return the results that are right for one claim."""
        holder = self.claims.get(asked.key)
        if holder is not None and not self.lives(holder, now_ms):
            self.doubtful.add(asked.key)
        answers = {self._unheld(asked, now_ms)}
        if asked.key in self.doubtful:
            answers.add(self._unheld(asked, now_ms, is_in_doubt=True))
        if holder is not None and self.lives(holder, now_ms):
            return {HELD} | answers if (asked.key, holder) in self.lapsed else {HELD}
        return answers

    def _unheld(self, asked, now_ms, *, is_in_doubt=False):
        until, digest, origin, order = self.confirmed.get(asked.key, UNKNOWN)
        is_in_doubt = is_in_doubt and order is not UNORDERED
        origin = None if is_in_doubt else origin
        if until <= now_ms:
            return GRANTED
        told = ORDERS[asked.order]
        if told.is_before(order):
            is_superseded_there = told.place == order.place and asked.digest != digest
            return REDELIVERED if asked.origin == origin or is_superseded_there else DUPLICATE
        if digest != asked.digest:
            return GRANTED
        if is_in_doubt:
            return GRANTED if order.is_before(told) else REDELIVERED
        return REDELIVERED if origin == asked.origin else DUPLICATE

    def tell_again(self, asked):
        """Note that a claim was answered as known: the log tells the version again, unless it is an older one."""
        until, digest, origin, order = self.confirmed[asked.key]
        told = ORDERS[asked.order]
        if told is not UNORDERED and not told.is_before(order):
            self.confirmed[asked.key] = until, digest, origin, told.after(order)

    def confirm(self, asked, now_ms):
        until, _, _, order = self.confirmed.get(asked.key, UNKNOWN)
        order = order if until > now_ms else UNORDERED
        told = ORDERS[asked.order]
        if not told.is_before(order):
            self.doubtful.discard(asked.key)
            self.confirmed[asked.key] = now_ms + KEEP, asked.digest, asked.origin, told.after(order)

    def grant(self, owner, asked):
        self.lapsed = {(key, holder) for key, holder in self.lapsed if key != asked.key}
        self.claims[asked.key] = owner

    def release(self, owner, asked, *, in_doubt=False):
        if self.claims.get(asked.key) == owner:
            del self.claims[asked.key]
            if in_doubt and ORDERS[asked.order] is not UNORDERED:
                self.doubtful.add(asked.key)
            self.lapsed.discard((asked.key, owner))


class Order(NamedTuple):
    """Where and when the log tells a version. `time_ms` is None without a time, `offset` None without an order."""

    place: int = 0
    offset: int | None = None
    position: int = 0
    time_ms: int | None = None

    def is_before(self, other):
        if self.offset is None or other.offset is None:
            return False
        if self.place == other.place:
            return (self.offset, self.position) < (other.offset, other.position)
        if self.time_ms is None or other.time_ms is None:
            return False
        return (self.time_ms, self.place) < (other.time_ms, other.place)

    def after(self, other):
        """Return this order with the later time of the two, if both are of one place."""
        if other.offset is None or self.place != other.place:
            return self
        times = [each for each in (self.time_ms, other.time_ms) if each is not None]
        return self._replace(time_ms=max(times, default=None))


UNORDERED = Order()
UNKNOWN = 0, b"", b"", UNORDERED
ORDERS = {b"": UNORDERED} | {
    told(offset, place, -1 if time_ms is None else time_ms, position): Order(place, offset, position, time_ms)
    for place in (1, 2**64 - 1)
    for offset in (3, 300)
    for position in (0, 1)
    for time_ms in (None, 255, 256)
}
CLAIMS = st.lists(
    st.builds(
        claim,
        st.integers(0, 5),
        digest=st.integers(1, 2),
        origin=st.integers(1, 2),
        order=st.one_of(st.just(b""), st.sampled_from(list(ORDERS))),
    ),
    min_size=1,
    max_size=6,
)
OWNERS = st.sampled_from(["a", "b"])


class TwoOwners(RuleBasedStateMachine):
    """Two owners, a clock that moves, and the methods in any order."""

    stores = None

    @initialize()
    def begin(self):
        self.stores.fresh()
        self.now_ms = NOW
        self.model = Model()
        self.opened, self.names, self.starts = {}, {}, 0
        for owner in "ab":
            self._start(owner)

    def _start(self, owner):
        self.starts += 1
        self.names[owner] = f"{owner}{self.starts}"  # a process that starts again has another name
        self.opened[owner] = self.stores.open(self.names[owner])
        self.model.leases[self.names[owner]] = self.now_ms + LEASE

    @rule(owner=OWNERS, claims=CLAIMS)
    def claim(self, owner, claims):
        results = self.opened[owner].claim(claims)
        assert len(results) == len(claims)
        granted = set()
        for asked, result in zip(claims, results, strict=True):
            right = {HELD} if asked.key in granted else self.model.expect(asked, self.now_ms)
            assert result in right, (asked, result)
            if result is GRANTED:
                granted.add(asked.key)
                self.model.grant(self.names[owner], asked)
            elif result is not HELD:
                self.model.tell_again(asked)
        self.model.lapse(self.now_ms)  # the claim may have been made after the end of its lease

    @rule(owner=OWNERS, claims=CLAIMS)
    def look_up(self, owner, claims):
        for asked in claims:
            (result,) = self.opened[owner].look_up([asked])
            assert result in self.model.expect(asked, self.now_ms), (asked, result)

    @rule(owner=OWNERS, claims=CLAIMS)
    def confirm(self, owner, claims):
        claims = list({asked.key: asked for asked in claims}.values())
        self.opened[owner].confirm(claims)
        for asked in claims:
            self.model.confirm(asked, self.now_ms)
            self.model.release(self.names[owner], asked)

    @rule(owner=OWNERS, claims=CLAIMS, in_doubt=st.booleans())
    def release(self, owner, claims, in_doubt):
        self.opened[owner].release(claims, in_doubt=in_doubt)
        for asked in claims:
            self.model.release(self.names[owner], asked, in_doubt=in_doubt)

    @rule(owner=OWNERS)
    def renew(self, owner):
        self.opened[owner].renew()
        self.model.leases[self.names[owner]] = self.now_ms + LEASE

    @rule(owner=OWNERS)
    def sweep(self, owner):
        assert self.opened[owner].sweep() >= 0

    @rule(owner=OWNERS)
    def sync(self, owner):
        self.opened[owner].sync()

    @rule(step=st.integers(0, 6))
    def time_passes(self, step):
        margin_ms = self.stores.margin_ms
        second_ms = max(margin_ms, 1_000)  # all sums are whole margins
        by_ms = (margin_ms, second_ms, 6 * second_ms, LEASE - margin_ms, LEASE, KEEP - LEASE, KEEP)[step]
        self.stores.wait(by_ms)
        self.now_ms += by_ms
        self.model.lapse(self.now_ms)

    @rule(owner=OWNERS)
    def starts_again(self, owner):
        self.opened[owner].close()
        self.model.leases.pop(self.names[owner])
        self._start(owner)

    def teardown(self):
        for store in getattr(self, "opened", {}).values():
            store.close()


def test_two_owners_agree_with_the_model(stores, monkeypatch):
    monkeypatch.setattr("pipeline.dedup.lmdb_store.mover.SLICE", 2)
    machine = type("Machine", (TwoOwners,), {"stores": stores})
    run_state_machine_as_test(
        machine,
        settings=settings(
            examples(times=0.6), stateful_step_count=30, suppress_health_check=list(HealthCheck), database=None
        ),
    )
