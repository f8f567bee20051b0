"""One suite against every dedup store, and a model that each must agree with."""

import multiprocessing
import os
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pipeline.contracts.values import ClaimResult
from tests.support.dedup_stores import (
    KEEP,
    LEASE,
    NOW,
    LmdbStores,
    MemoryStores,
    RedisServer,
    RedisStores,
    claim,
    serve_lmdb,
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
            monkeypatch.setattr(
                "pipeline.dedup.lmdb_store.mover.LEAST_SLICE", 2
            )  # so that a few keys are moved in many steps
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
    assert a.claim([claim(1), claim(2), claim(1)], NOW) == [GRANTED, GRANTED, HELD]
    assert a.claim([claim(1)], NOW) == [HELD]
    assert b.claim([claim(2), claim(3)], NOW) == [HELD, GRANTED]
    assert a.claim([claim(3)], NOW) == [HELD]


def test_nothing_asked_is_nothing_answered(pair):
    a, _ = pair
    assert a.claim([], NOW) == []
    a.confirm([], NOW)
    a.release([])


def test_a_confirmed_key_is_a_duplicate_for_another_record_and_reread_for_its_own(pair):
    a, _ = pair
    a.claim([claim(1, origin=7)], NOW)
    a.confirm([claim(1, origin=7)], NOW)
    for store in pair:
        assert store.claim([claim(1, origin=7), claim(1, origin=8)], NOW) == [REDELIVERED, DUPLICATE]


def test_a_released_key_is_granted_to_whoever_asks_next(pair):
    a, b = pair
    a.claim([claim(1)], NOW)
    a.release([claim(1)])
    assert b.claim([claim(1)], NOW) == [GRANTED]


def test_another_version_of_a_confirmed_key_is_granted_and_if_released_the_old_one_is_still_known(pair):
    a, b = pair
    a.claim([claim(1, digest=1)], NOW)
    a.confirm([claim(1, digest=1)], NOW)
    assert b.claim([claim(1, digest=2)], NOW) == [GRANTED]
    assert a.claim([claim(1, digest=1), claim(1, digest=2)], NOW) == [HELD, HELD]
    b.release([claim(1, digest=2)])
    assert a.claim([claim(1, digest=1)], NOW) == [REDELIVERED]
    assert a.claim([claim(1, digest=2)], NOW) == [GRANTED]
    a.confirm([claim(1, digest=2)], NOW)
    assert b.claim([claim(1, digest=2, origin=5)], NOW) == [DUPLICATE]
    assert b.claim([claim(1, digest=1)], NOW) == [GRANTED]


def test_a_confirmation_ends_after_its_time_to_live(pair):
    a, b = pair
    a.claim([claim(1)], NOW)
    a.confirm([claim(1)], NOW + 5)
    assert b.claim([claim(1)], NOW + 4 + KEEP) == [REDELIVERED]
    assert b.claim([claim(1)], NOW + 5 + KEEP) == [GRANTED]


def test_confirming_again_begins_the_time_to_live_anew(pair):
    a, b = pair
    a.confirm([claim(1)], NOW)
    a.confirm([claim(1)], NOW + 50_000)
    assert b.claim([claim(1)], NOW + KEEP + 1) == [REDELIVERED]


def test_claims_end_with_their_owners_lease(pair):
    a, b = pair
    a.claim([claim(1)], NOW)
    b.renew(NOW + LEASE - 1)
    assert b.claim([claim(1)], NOW + LEASE - 1) == [HELD]
    assert b.claim([claim(1)], NOW + LEASE) == [GRANTED]


def test_one_renewal_keeps_every_claim(pair):
    a, b = pair
    many = [claim(number) for number in range(3_000)]
    assert set(a.claim(many, NOW)) == {GRANTED}
    a.renew(NOW + LEASE - 1)
    b.renew(NOW + LEASE + 1)
    assert set(b.claim(many, NOW + LEASE + 1)) == {HELD}


def test_a_closed_owners_claims_are_released_at_once(stores):
    a, b = stores.open("a"), stores.open("b")
    a.claim([claim(1)], NOW)
    a.close()
    a.close()
    assert b.claim([claim(1)], NOW) == [GRANTED]
    b.close()


def test_confirming_after_the_lease_lapsed_counts_although_another_holds_the_claim(pair):
    a, b = pair
    late = NOW + LEASE + 1
    a.claim([claim(1)], NOW)
    b.renew(late)
    assert b.claim([claim(1, origin=1)], late) == [GRANTED]
    a.confirm([claim(1)], late)
    assert a.claim([claim(1, origin=2)], late) == [HELD]  # b has not finished
    b.release([claim(1, origin=1)])
    assert a.claim([claim(1, origin=2)], late) == [DUPLICATE]


def test_release_leaves_what_another_owner_holds(pair):
    a, b = pair
    a.claim([claim(1)], NOW)
    b.release([claim(1)])
    assert b.claim([claim(1)], NOW) == [HELD]


def test_release_leaves_what_is_confirmed(pair):
    a, b = pair
    a.claim([claim(1)], NOW)
    a.confirm([claim(1)], NOW)
    a.release([claim(1)])
    b.release([claim(1)])
    assert b.claim([claim(1)], NOW) == [REDELIVERED]


def test_what_is_confirmed_outlives_its_owner(stores):
    a = stores.open("a")
    many = [claim(number) for number in range(2_500)]
    a.claim(many, NOW)
    a.confirm(many, NOW)
    a.sync()
    a.close()
    a = stores.open("a", NOW + 1)
    assert set(a.claim(many, NOW + 1)) == {REDELIVERED}
    a.close()


def test_sweeping_forgets_nothing_that_still_counts(pair):
    a, b = pair
    confirmed = [claim(number) for number in range(5_000)]
    a.claim(confirmed, NOW)
    a.confirm(confirmed, NOW)
    held = [claim(number) for number in range(5_000, 6_000)]
    a.claim(held, NOW)
    for second in range(60):
        now_ms = NOW + second * 1_000
        a.renew(now_ms)
        b.renew(now_ms)
        assert (a if second % 2 else b).sweep(now_ms) == 0
        assert b.claim([confirmed[second], held[second]], now_ms) == [REDELIVERED, HELD]
    assert set(b.claim(confirmed, NOW + 60_000)) == {REDELIVERED}
    assert set(b.claim(held, NOW + 60_000)) == {HELD}


def test_expired_and_lapsed_keys_are_granted_before_and_after_sweeping(pair):
    a, b = pair
    a.confirm([claim(number) for number in range(100)], NOW)
    a.claim([claim(number) for number in range(100, 200)], NOW)
    later = NOW + KEEP + 1
    b.renew(later)
    assert set(b.claim([claim(number) for number in range(0, 200, 2)], later)) == {GRANTED}
    for second in range(30):
        b.renew(later + second * 1_000)
        b.sweep(later + second * 1_000)
    assert set(b.claim([claim(number) for number in range(1, 200, 2)], later + 30_000)) == {GRANTED}
    assert set(b.claim([claim(number) for number in range(0, 200, 2)], later + 30_000)) == {HELD}


def test_sweeping_says_how_many_it_forgot(stores):
    a = stores.open("a")
    a.confirm([claim(number) for number in range(5_000)], NOW)
    moments = [NOW + second * 1_000 for second in range(1, 50)]
    moments += [moment + KEEP for moment in moments]
    by_itself = isinstance(stores, RedisStores)  # see test_redis_forgets_by_itself
    assert sum(a.sweep(moment) for moment in moments) == (0 if by_itself else 5_000)
    a.close()


# --- the model ---------------------------------------------------------------------------------------------------------------


@dataclass
class Model:
    """The rules of a store in their simplest form."""

    confirmed: dict = field(default_factory=dict)  # key -> (until, digest, origin)
    claims: dict = field(default_factory=dict)  # key -> owner
    leases: dict = field(default_factory=dict)  # owner -> until
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
        if holder is not None and self.lives(holder, now_ms):
            return {HELD, self._unheld(asked, now_ms)} if (asked.key, holder) in self.lapsed else {HELD}
        return {self._unheld(asked, now_ms)}

    def _unheld(self, asked, now_ms):
        until, digest, origin = self.confirmed.get(asked.key, (0, b"", b""))
        if until <= now_ms or digest != asked.digest:
            return GRANTED
        return REDELIVERED if origin == asked.origin else DUPLICATE

    def grant(self, owner, asked):
        self.lapsed = {(key, holder) for key, holder in self.lapsed if key != asked.key}
        self.claims[asked.key] = owner

    def release(self, owner, asked):
        if self.claims.get(asked.key) == owner:
            del self.claims[asked.key]
            self.lapsed.discard((asked.key, owner))


CLAIMS = st.lists(
    st.builds(claim, st.integers(0, 5), digest=st.integers(1, 2), origin=st.integers(1, 2)), min_size=1, max_size=6
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
        self.opened[owner] = self.stores.open(self.names[owner], self.now_ms)
        self.model.leases[self.names[owner]] = self.now_ms + LEASE

    @rule(owner=OWNERS, claims=CLAIMS)
    def claim(self, owner, claims):
        results = self.opened[owner].claim(claims, self.now_ms)
        assert len(results) == len(claims)
        granted = set()
        for asked, result in zip(claims, results, strict=True):
            right = {HELD} if asked.key in granted else self.model.expect(asked, self.now_ms)
            assert result in right, (asked, result)
            if result is GRANTED:
                granted.add(asked.key)
                self.model.grant(self.names[owner], asked)
        self.model.lapse(self.now_ms)  # the claim may have been made after the end of its lease

    @rule(owner=OWNERS, claims=CLAIMS)
    def confirm(self, owner, claims):
        claims = list({asked.key: asked for asked in claims}.values())
        self.opened[owner].confirm(claims, self.now_ms)
        for asked in claims:
            self.model.confirmed[asked.key] = self.now_ms + KEEP, asked.digest, asked.origin
            self.model.release(self.names[owner], asked)

    @rule(owner=OWNERS, claims=CLAIMS)
    def release(self, owner, claims):
        self.opened[owner].release(claims)
        for asked in claims:
            self.model.release(self.names[owner], asked)

    @rule(owner=OWNERS)
    def renew(self, owner):
        self.opened[owner].renew(self.now_ms)
        self.model.leases[self.names[owner]] = self.now_ms + LEASE

    @rule(owner=OWNERS)
    def sweep(self, owner):
        assert self.opened[owner].sweep(self.now_ms) >= 0

    @rule(owner=OWNERS)
    def sync(self, owner):
        self.opened[owner].sync()

    @rule(by_ms=st.sampled_from([1, 1_000, 6_000, LEASE - 1, LEASE, KEEP - LEASE, KEEP]))
    def time_passes(self, by_ms):
        self.now_ms += by_ms
        self.model.lapse(self.now_ms)

    @rule(owner=OWNERS)
    def starts_again(self, owner):
        self.opened[owner].close()
        name = self.names[owner]
        self.model.claims = {key: holder for key, holder in self.model.claims.items() if holder != name}
        self._start(owner)

    def teardown(self):
        for store in getattr(self, "opened", {}).values():
            store.close()


def test_two_owners_agree_with_the_model(stores):
    machine = type("Machine", (TwoOwners,), {"stores": stores})
    run_state_machine_as_test(
        machine,
        settings=settings(
            examples(times=0.6), stateful_step_count=30, suppress_health_check=list(HealthCheck), database=None
        ),
    )
