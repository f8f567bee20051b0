"""The tables of rates: what processes that share a store count together."""

from __future__ import annotations

import multiprocessing
import time
from functools import partial

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.dry_run_store import DryRunStore
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.dedup.outage import StoreOutage
from pipeline.dedup.rates import CREDIT_MS, MOST_PROCESSES, SPARE_MS, MemoryRates, paid_ms
from pipeline.dedup.redis_store.server import PREFIX
from pipeline.dedup.redis_store.store import RedisStore
from pipeline.errors import StoreUnavailable
from pipeline.setting_types.secret import Secret
from tests.support.dedup_stores import KEEP, LEASE, NOW, RedisServer, open_lmdb

SPENT = st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 200)), min_size=1, max_size=60)


@given(SPENT, st.sampled_from([0.5, 10.0, 300.0]))
def test_over_any_time_no_more_is_paid_than_the_rate_allows(spent, per_second):
    now_ms, total = 1_000_000, 0
    clock = [now_ms]
    table = MemoryRates({}, lambda: clock[0])
    for later_ms, units in spent:
        clock[0] += later_ms
        total += units
        wait_ms = table.spend(b"x", units, per_second)
        assert wait_ms <= SPARE_MS + MOST_PROCESSES * units * 1_000 / per_second
        if wait_ms < SPARE_MS:  # below the bound nothing is forgotten
            assert total * 1_000 / per_second <= clock[0] + wait_ms - now_ms + CREDIT_MS + 1e-6


@given(st.integers(0, 10**12), st.integers(-(10**9), 10**9), st.integers(1, 100), st.floats(0.1, 10_000))
def test_a_clock_that_was_set_does_not_stop_anybody_for_long(paid_until_ms, set_by_ms, units, per_second):
    now_ms = paid_until_ms + set_by_ms
    wait_ms = paid_ms(paid_until_ms, now_ms, units, per_second) - now_ms
    cost_ms = units * 1_000 / per_second
    assert cost_ms - CREDIT_MS - 1e-3 <= wait_ms <= SPARE_MS + MOST_PROCESSES * cost_ms + 1e-3


def test_buckets_do_not_know_of_each_other():
    table = MemoryStore(MemoryTable(), "a", KEEP, LEASE, lambda: 0).rates()
    assert table.spend(b"calls", 10, 10) == pytest.approx(1_000 - CREDIT_MS, abs=CREDIT_MS)
    assert table.spend(b"calls", 10, 10) >= 1_900
    assert table.spend(b"events", 10, 10) <= 1_000


def test_stores_that_share_a_table_in_memory_share_its_rates_and_a_dry_run_shares_nothing():
    table = MemoryTable()
    one, other = (MemoryStore(table, name, KEEP, LEASE, lambda: NOW) for name in "ab")
    one.rates().spend(b"x", 100, 10)
    assert other.rates().spend(b"x", 10, 10) > 10_000
    dry = DryRunStore(one, MemoryStore(MemoryTable(), "dry", KEEP, LEASE, lambda: NOW))
    assert dry.rates().spend(b"x", 10, 10) <= 1_000


def spend_in_lmdb(folder, owner, times):
    store = open_lmdb(folder, owner)
    table = store.rates()
    waits_ms = [table.spend(b"x", 2, 1_000) for _ in range(times)]
    store.close()
    return waits_ms


def test_processes_of_one_host_count_together_and_nothing_is_lost(tmp_path):
    store = open_lmdb(tmp_path, "a")
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        waits_ms = pool.starmap(partial(spend_in_lmdb, tmp_path), [("b", 40), ("c", 40), ("d", 40)])
    waits_ms.append([store.rates().spend(b"x", 2, 1_000) for _ in range(40)])
    store.close()
    together = sorted(each for process in waits_ms for each in process)
    assert together == [pytest.approx(2 * number - CREDIT_MS) for number in range(1, 161)]


@pytest.fixture
def server():
    server = RedisServer("--save", "")
    yield server
    server.remove()


@pytest.mark.redis
def test_hosts_that_share_a_server_count_together(server):
    one, other = (RedisStore(Secret(server.url), name, keep_ms=KEEP, lease_ms=LEASE) for name in "ab")
    tables = [each.rates() for each in (one, other)]
    begun_s = time.monotonic()
    waits_ms = [tables[number % 2].spend(b"x", 1, 10) for number in range(100)]
    passed_ms = (time.monotonic() - begun_s) * 1_000
    assert 10_000 - CREDIT_MS - passed_ms - 1 <= waits_ms[-1] <= 10_000
    assert waits_ms[0] <= 100
    # the server's clock is set back by an hour
    client = redis.Redis.from_url(server.url)
    client.set(PREFIX + b":r:x", str(time.time() * 1_000 + 3_600_000))
    assert tables[0].spend(b"x", 1, 10) <= SPARE_MS + MOST_PROCESSES * 100
    assert 0 < client.pttl(PREFIX + b":r:x") <= SPARE_MS + MOST_PROCESSES * 100 + 1_000
    client.close()
    one.close()
    other.close()


@pytest.mark.redis
def test_a_server_that_is_gone_says_so(server):
    store = RedisStore(Secret(server.url), "a", keep_ms=KEEP, lease_ms=LEASE)
    table = store.rates()
    server.remove()
    with pytest.raises(StoreUnavailable):
        table.spend(b"x", 1, 10)
    store.close()


@pytest.mark.redis
def test_nobody_waits_for_a_server_to_count(server):
    """The claims wait for a server that is away; a limit does not: each process keeps it alone."""
    waits = []
    outage = StoreOutage(60_000, lambda *wait: waits.append(wait) is None)
    store = RedisStore(Secret(server.url), "a", keep_ms=KEEP, lease_ms=LEASE, outage=outage)
    server.remove()
    with pytest.raises(StoreUnavailable):
        store.rates().spend(b"x", 1, 10)
    assert not waits
    store.close()
