"""The reasons of pauses: a partition is read again when none is left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.pauses import PauseReason, Pauses
from pipeline.contracts.values import Partition

PARTITIONS = st.sampled_from([Partition("log", number) for number in range(3)])
STEPS = st.tuples(
    st.sampled_from(["add", "end", "replace", "forget"]), st.sampled_from(PauseReason), st.sets(PARTITIONS)
)


@given(steps=st.lists(STEPS, max_size=30))
def test_a_partition_is_paused_while_it_has_a_reason(steps):
    pauses, expected = Pauses(), set()
    for step, reason, partitions in steps:
        if step == "forget":
            pauses.forget(partitions)
            expected = {(why, each) for why, each in expected if each not in partitions}
            continue
        getattr(pauses, step)(reason, partitions)
        if step == "replace":
            expected = {(why, each) for why, each in expected if why is not reason}
        given_now = {(reason, each) for each in partitions}
        expected = expected - given_now if step == "end" else expected | given_now
    assert pauses.paused() == {each for _, each in expected}
    for each in pauses.paused():
        assert pauses.reasons(each) == {why for why, paused in expected if paused == each}
        assert all(each in pauses.because(why) for why in pauses.reasons(each))
    assert sum(pauses.counts().values()) == len(expected)
