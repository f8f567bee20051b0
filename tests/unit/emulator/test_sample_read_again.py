"""What a run over a sample comes to does not depend on a crash, and each customer's lines lie in one partition."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.load import load_source
from pipeline.contracts.values import ClaimResult
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.emulator.samples.generate import SampleKind, SampleSettings, generate
from pipeline.runtime.build_converter import build_converter
from schemas.log import RawRecord
from tests.support.examples import examples
from tests.support.paths import ROOT

FOREVER_MS = 10**12
SETTINGS = SampleSettings(repeated_near=0.1, repeated_far=0.1, poison=False)
COUNT = 3_000


def claims_of_lines():
    """What each line of a shop's log claims, converted as the job does."""
    convert = build_converter(load_source(ROOT / "examples" / "shop-app.yaml", {}), {})
    converted = [
        convert(RawRecord("t", 0, offset, -1, line.key, line.value))
        for offset, line in enumerate(generate(SampleKind.SHOP_APP, COUNT, 1, SETTINGS))
    ]
    return [[message.claim for message in each.messages] for each in converted if each.messages]


@pytest.fixture(scope="module")
def lines():
    return claims_of_lines()


def is_reported(store, claims):
    """Report a line's messages; return whether it counts as reported: now, or by this very line before."""
    standings = store.claim(claims)
    store.confirm([claim for claim, standing in zip(claims, standings, strict=True) if standing is ClaimResult.GRANTED])
    return ClaimResult.GRANTED in standings or ClaimResult.REDELIVERED in standings


def read(lines, *stretches):
    """Read these stretches of the lines, with one store; return how each line's last reading ended."""
    store = MemoryStore(MemoryTable(), "a", FOREVER_MS, FOREVER_MS, lambda: 0)
    return {number: is_reported(store, lines[number]) for stretch in stretches for number in stretch}


@examples(times=0.3)
@given(data=st.data())
def test_the_books_are_the_same_wherever_a_successor_begins_to_read_again(lines, data):
    confirmed = data.draw(st.integers(0, len(lines)), label="lines reported before the crash")
    committed = data.draw(st.integers(0, confirmed), label="where the successor begins")
    assert read(lines, range(confirmed), range(committed, len(lines))) == read(lines, range(len(lines)))


def test_customers_change_their_identities_and_tell_the_same_ones_again(lines):
    kept = [claim for each in lines for claim in each]
    digests, lines_of = {}, {}
    for claim in kept:
        digests.setdefault(claim.key, set()).add(claim.digest)
        lines_of.setdefault(claim.key, []).append(claim.digest)
    changing = [key for key, each in digests.items() if len(each) > 1]
    assert len(changing) > 20
    assert any(len(lines_of[key]) > len(digests[key]) for key in changing)


def test_a_customers_lines_have_the_customer_as_their_key_so_they_lie_in_one_partition():
    for line in generate(SampleKind.SHOP_APP, COUNT, 1, SampleSettings(broken=0)):
        assert orjson.loads(line.value)["user"]["id"].encode() == line.key
