"""How fast the job sends, whatever the API allows: bars over simulated minutes and hours. No run has a dead letter or a halt (`Worker.turn`)."""

from __future__ import annotations

from random import Random

import pytest

from pipeline.errors import StoreUnavailable
from pipeline.job.flow.state import Slowed
from tests.flow.picture import drawn
from tests.flow.service import CUT, HANGS, Bucket, ByChance, Outage, Service, Window
from tests.flow.world import World
from tests.support.paths import ROOT
from transforms.base import Kind

EVENT, USER = Kind.EVENT, Kind.USER
ALLOWED = 100
QUOTAS = {
    "window": lambda: Window(ALLOWED),
    "small burst": lambda: Bucket(ALLOWED, 3),
    "burst": lambda: Bucket(ALLOWED, 50),
    "large burst": lambda: Bucket(ALLOWED, 1_000),
}
pytestmark = pytest.mark.slow


def said(window):
    """Return the hint of an API that says how long its window lasts."""
    return lambda now_ms: {"x-acs-retry-after": str(window.left_ms(now_ms))}


# --- a limit of the API that nobody has told the job ------------------------------------------------------------------------------


@pytest.mark.parametrize("latency_ms", [5, 50, 400])
@pytest.mark.parametrize("quota", QUOTAS)
def test_an_api_that_allows_100_calls_a_second_is_used_at_90_with_under_2_percent_throttled(quota, latency_ms):
    serving_ms = lambda chance, *_: chance.uniform(0.6, 1.4) * latency_ms  # noqa: E731
    world = World(Service({EVENT: QUOTAS[quota]()}, serving_ms=serving_ms), senders=64 if latency_ms > 100 else 16)
    world.run(60)
    assert world.used(0, 60) >= 90
    assert world.used(20, 60) >= 95
    assert world.throttled() < 0.02


def test_a_hint_is_followed():
    window = Window(ALLOWED)
    world = World(Service({EVENT: window}, hint=said(window))).run(60)
    assert world.used(0, 60) >= 95
    assert world.throttled() < 0.01


def test_a_quota_of_a_minute_with_a_hint_is_used_whole_and_nothing_is_sent_until_it_is_renewed():
    window = Window(6_000, 60_000)
    world = World(Service({EVENT: window}, hint=said(window))).run(180)
    assert world.used(0, 180) == ALLOWED
    assert world.throttled() < 0.01
    throttled_at = {}
    for at_ms, _, is_accepted in world.calls:
        if not is_accepted:
            throttled_at.setdefault(at_ms // 60_000, at_ms)
    for minute, begun_ms in throttled_at.items():  # what was under way is refused, too
        assert not [at_ms for at_ms, _, _ in world.calls if begun_ms + 20 < at_ms < (minute + 1) * 60_000]


def test_a_pause_that_the_api_asks_for_ends_after_ten_minutes_at_the_latest():
    quota = Window(ALLOWED, 10**9)
    world = World(Service({EVENT: quota}, hint=lambda _: {"retry-after": "86400"})).run(700)
    after = [at_ms for at_ms, _, is_accepted in world.calls if not is_accepted]
    assert 600_000 <= min(at_ms for at_ms in after if at_ms > 10_000) <= 601_000


def test_an_api_that_throttles_everything_for_long_is_asked_seldom_and_used_again_at_once():
    class Closed:
        def admits(self, now_ms):
            return not 10_000 <= now_ms < 610_000

    world = World(Service({EVENT: Closed()})).run(630)
    assert sum(second.throttled[EVENT] for second in world.seconds[:610]) < 600 / 5 + 50
    assert world.used(620, 630) >= 0.9 * world.used(0, 10)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("arrivals", [150, 1_000])
@pytest.mark.parametrize("seed", range(3))
def test_after_calls_were_throttled_by_chance_the_job_has_caught_up_a_minute_later(share, arrivals, seed):
    """Whatever rate seemed to be throttled: before, few messages a second were sent for minutes."""
    world = World(Service({EVENT: ByChance(share, 30_000, 44_000, Random(seed))}), arrivals=arrivals).run(114)
    assert world.used(104, 114) == pytest.approx(arrivals / 10, rel=0.05)
    assert sum(world.used(second, second + 1) for second in range(114)) == pytest.approx(114 * arrivals / 10, rel=0.02)


def test_a_limit_that_is_raised_is_found_within_a_minute():
    class Raised:
        low, high = Window(20), Window(200)

        def admits(self, now_ms):
            return (self.low if now_ms < 60_000 else self.high).admits(now_ms)

    world = World(Service({EVENT: Raised()})).run(150)
    assert world.used(30, 60) >= 18
    assert world.used(120, 150) >= 180


def test_four_workers_that_know_nothing_of_each_other_share_a_limit():
    world = World(Service({EVENT: Window(ALLOWED)}), workers=4).run(120)
    assert world.used(0, 120) >= 95
    assert world.throttled() < 0.02


# --- limits of the source file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
def test_a_set_limit_of_calls_holds_for_all_workers_together(workers):
    world = World(Service({EVENT: Window(ALLOWED)}), workers=workers, limits={"calls": 93}).run(60)
    assert 91 <= world.used(0, 60) <= 94
    assert world.throttled() == 0
    shares = [worker.calls for worker in world.each]
    assert min(shares) >= 0.8 * max(shares)


def test_a_set_limit_of_events_counts_messages_of_full_and_of_small_batches():
    world = World(Service(), workers=2, limits={"event": 2_000}, batch=100).run(60)
    assert world.used(1, 60) * 100 == pytest.approx(2_000, rel=0.03)
    world = World(Service(), workers=2, limits={"event": 50}, batch=100).run(120)  # a batch lasts for two seconds
    assert world.used(0, 120) * 100 == pytest.approx(50, rel=0.1)


def test_a_limit_that_is_not_reached_costs_nothing():
    free = World(Service(), workers=2, arrivals=500).run(30)
    limited = World(Service(), workers=2, arrivals=500, limits={"calls": 150, "event": 1_500}).run(30)
    assert limited.used(0, 30) >= 0.99 * free.used(0, 30)


def test_the_shared_table_is_asked_in_slices():
    world = World(Service(), workers=4, limits={"calls": 150, "event": 1_500})
    asked = []
    table = world.table
    original = table.spend
    table.spend = lambda *spent: asked.append(spent) or original(*spent)
    world.run(30)
    assert len(asked) <= 2 * 30 * 55  # two limits, each 50 times a second for all workers together


def test_a_store_that_is_gone_does_not_stop_the_calls():
    class Gone:
        asked = 0

        def spend(self, *_):
            self.asked += 1
            raise StoreUnavailable("no answer")

    world = World(Service(), limits={"calls": 50}, table=Gone()).run(60)
    assert world.used(0, 60) == pytest.approx(50, rel=0.03)
    assert world.table.asked <= 7


def test_a_store_that_is_slow_is_asked_seldom():
    world = World(Service(), limits={"calls": 50})

    class Slow:
        asked = 0

        def spend(self, *_):
            self.asked += 1
            world.now_ms += 500
            return 0.0

    slow = Slow()
    for kind in Kind:
        for limit in world.each[0].dispatch._operations[kind].flow._limits._calls:
            limit._table = slow
    world.run(120)
    assert slow.asked * 500 <= 0.06 * 120_000
    assert world.used(0, 120) == pytest.approx(50, rel=0.1)


# --- latency ------------------------------------------------------------------------------------------------------------------------


def test_where_calls_wait_for_each_other_fewer_are_under_way_and_none_is_lost():
    fixed = World(Service(places=8), workers=4, least=16).run(120)
    world = World(Service(places=8), workers=4).run(120)
    assert world.used(60, 120) >= 0.97 * fixed.used(60, 120)
    assert median_ms(world, 60) < 0.5 * median_ms(fixed, 60)
    limits = [worker.dispatch.flows(world.now_ms)[0].limit for worker in world.each]
    assert sum(limits) < 40


def test_calls_that_would_all_time_out_are_made_fewer():
    busy = lambda chance, *_: chance.uniform(1_500, 2_500)  # noqa: E731
    world = World(Service(places=2, serving_ms=busy), timeout_ms=10_000).run(600)
    assert world.used(300, 600) >= 0.8 * 1
    assert sum(second.failed[EVENT] for second in world.seconds[300:]) < 0.15 * 300


def test_one_worker_alone_uses_all_its_senders_while_latency_does_not_depend_on_them():
    for serving_ms in (
        lambda chance, *_: chance.uniform(30, 70),
        lambda chance, *_: 100 * chance.lognormvariate(0, 0.8),
        lambda chance, *_: 500 * chance.lognormvariate(0, 0.4),
    ):
        fixed = World(Service(serving_ms=serving_ms), least=16).run(100)
        world = World(Service(serving_ms=serving_ms)).run(100)
        assert world.used(0, 100) >= 0.95 * fixed.used(0, 100)


def test_an_api_that_becomes_slower_for_all_is_used_with_all_senders_again_after_a_minute():
    slower = lambda chance, _kind, _count, now_ms: chance.uniform(0.7, 1.3) * (50 if now_ms < 30_000 else 500)  # noqa: E731
    fixed = World(Service(serving_ms=slower), least=16).run(150)
    world = World(Service(serving_ms=slower)).run(150)
    assert world.used(100, 150) >= 0.95 * fixed.used(100, 150)


def test_large_batches_that_take_longer_than_small_ones_are_not_taken_for_slow():
    by_size = lambda chance, _kind, count, _now_ms: chance.uniform(0.8, 1.2) * (20 + 10 * count)  # noqa: E731
    world = World(Service(serving_ms=by_size), batch=100, arrivals=40)
    world.run(40)  # batches of forty
    world.arrivals = None
    world.run(60)
    [flow] = world.each[0].dispatch.flows(world.now_ms)
    assert (flow.limit, flow.lowest) == (16, 16)
    assert Slowed.LATENCY not in flow.held_ms


def median_ms(world, from_s):
    took = sorted(each for second in world.seconds[from_s:] for each in second.took_ms)
    return took[len(took) // 2]


# --- outages ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("workers", [1, 4])
def test_after_an_outage_of_an_hour_it_is_at_full_rate_in_under_10_s(workers, seed):
    end_s = 3_610 + seed
    service = Service(outages=(Outage(10_000, end_s * 1_000 + 137 * seed),), chance=Random(seed))
    world = World(service, workers=workers).run(end_s + 20)
    assert world.used(end_s + 9, end_s + 20) >= 0.95 * world.used(2, 10)
    assert sum(second.failed[EVENT] for second in world.seconds) < workers * 3_600 / 2


@pytest.mark.parametrize("phase_s", [0, 3, 6, 9, 12])
@pytest.mark.parametrize("status", [HANGS, CUT])
def test_after_an_outage_with_lost_answers_it_is_at_full_rate_in_under_10_s_whenever_it_ends(status, phase_s):
    workers, end_s = 2, 40 + phase_s
    service = Service(outages=(Outage(10_000, end_s * 1_000 + 137 * phase_s, status),), chance=Random(phase_s))
    world = World(service, workers=workers).run(end_s + 16)
    assert world.used(end_s + 9, end_s + 16) >= 0.95 * world.used(2, 10)
    lost = sum(second.failed[EVENT] for second in world.seconds)
    assert lost <= workers * (16 + 10 + (end_s - 10) / 2.5)  # all senders, the short back-offs, and then one at a time


def test_an_outage_behind_a_limit_ends_at_the_limit():
    service = Service({EVENT: Window(ALLOWED)}, outages=(Outage(30_000, 3_630_000),))
    world = World(service).run(3_660)
    assert world.used(3_640, 3_660) >= 90
    assert world.throttled() < 0.02


# --- both operations ----------------------------------------------------------------------------------------------------------------

FEW_USERS = (EVENT,) * 9 + (USER,)
FEW_EVENTS = (USER,) * 9 + (EVENT,)


@pytest.mark.parametrize("held", list(Kind))
@pytest.mark.parametrize("how", ["throttled", "away", "hangs", "limited"])
def test_neither_operation_holds_up_the_other(how, held):
    other = USER if held is EVENT else EVENT
    mix = FEW_USERS if held is USER else FEW_EVENTS
    quotas = {held: Window(1)} if how == "throttled" else {}
    outages = (Outage(5_000, 10**9, 503, (held,)),) if how == "away" else ()

    def serving_ms(chance, kind, _count, _now_ms):
        return 10**6 if how == "hangs" and kind is held else chance.uniform(30, 70)

    limits = {held.value: 5} if how == "limited" else {}
    free = World(Service(), mix=mix, arrivals=1_500).run(30)
    world = World(Service(quotas, outages, serving_ms=serving_ms), mix=mix, arrivals=1_500, limits=limits).run(30)
    assert world.used(1, 30, held) < 0.8 * free.used(1, 30, held)
    assert world.used(0, 30, other) >= 0.99 * free.used(0, 30, other)
    assert min(second.accepted[other] for second in world.seconds[1:30]) >= 0.9 * free.used(1, 30, other)


def test_both_operations_share_the_senders():
    world = World(Service(), mix=(EVENT, USER)).run(20)
    assert world.used(1, 20, EVENT) == pytest.approx(world.used(1, 20, USER), rel=0.02)


# --- the documentation ---------------------------------------------------------------------------------------------------------------


def test_the_picture_of_the_page_is_that_of_this_code():
    assert (ROOT / "docs" / "flow.svg").read_text(encoding="utf-8") == drawn(), "run: make pictures"
