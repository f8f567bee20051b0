"""The dedup store of a dry run: it answers as the real store, and changes nothing in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.message_order import order_of, record_origin
from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup.dry_run_store import DryRunStore
from pipeline.dedup.memory_store import MemoryStore, MemoryTable

NOW = 1_700_000_000_000


def opened(table, owner="a"):
    return MemoryStore(table, owner, keep_ms=100_000, lease_ms=15_000, clock=lambda: NOW)


def report(store, claims):
    """Report each message whose claim is granted, and return the answers."""
    answers = []
    for each in claims:
        (result,) = store.claim([each])
        if result is ClaimResult.GRANTED:
            store.confirm([each])
        answers.append(result)
    return answers


claims = st.lists(
    st.builds(
        lambda key, digest: Claim(key.to_bytes(16), digest.to_bytes(8), bytes(8)),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=20,
)


@given(claims, claims)
def test_a_dry_run_says_what_the_run_would_then_do(before, again):
    table = MemoryTable()
    report(opened(table), before)
    confirmed = dict(table.confirmed)
    foreseen = report(DryRunStore(opened(table), opened(MemoryTable())), again)
    assert table.confirmed == confirmed
    assert not table.claims
    assert foreseen == report(opened(table), again)


def in_the_order_of_a_log(claims, start):
    """Give each message the order and the origin of one record after the other."""
    return [
        each._replace(origin=record_origin(1, start + number), order=order_of(1, start + number, NOW))
        for number, each in enumerate(claims)
    ]


@given(claims, claims, st.integers(0, 25))
def test_a_dry_run_over_a_stretch_of_the_log_foresees_older_versions(before, again, start):
    table = MemoryTable()
    report(opened(table), in_the_order_of_a_log(before, 0))
    confirmed = dict(table.confirmed)
    stretch = in_the_order_of_a_log(again, start)
    foreseen = report(DryRunStore(opened(table), opened(MemoryTable())), stretch)
    assert (table.confirmed, table.claims) == (confirmed, {})
    assert foreseen == report(opened(table), stretch)


@given(claims, claims)
def test_looking_up_in_a_dry_run_answers_as_its_claim_does(before, again):
    table = MemoryTable()
    report(opened(table), before)
    store = DryRunStore(opened(table), opened(MemoryTable()))
    report(store, again[: len(again) // 2])
    for each in again:
        assert store.look_up([each]) == store.claim([each])
        store.release([each])
