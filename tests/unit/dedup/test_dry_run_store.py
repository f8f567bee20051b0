"""The dedup store of a dry run: it answers as the real store, and changes nothing in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Claim, ClaimResult
from pipeline.dedup.dry_run_store import DryRunStore
from pipeline.dedup.memory_store import MemoryStore, MemoryTable

NOW = 1_700_000_000_000


def opened(table, owner="a"):
    return MemoryStore(table, owner, keep_ms=100_000, lease_ms=15_000, now_ms=NOW)


def report(store, claims):
    """Report each message whose claim is granted, and return the answers."""
    answers = []
    for each in claims:
        (result,) = store.claim([each], NOW)
        if result is ClaimResult.GRANTED:
            store.confirm([each], NOW)
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
