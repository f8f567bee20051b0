"""Back-pressure: which partitions are paused and resumed, by what is in flight and by what ended behind it."""

from __future__ import annotations

import pytest

from pipeline.contracts.pauses import PauseReason, Pauses
from pipeline.contracts.values import Commit, Partition, StoreIdentity
from pipeline.job.backpressure import Backpressure
from pipeline.job.books import FILTERED
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.group_store import GroupStore
from pipeline.job.offsets import Offsets
from schemas.log import RawRecord

HERE = Partition("log", 0)


def after(read, ended):
    """The paused partitions after 101 records of a limit of 100 were read, and then some of `read` ended."""
    pauses, offsets = Pauses(), Offsets(GroupStore(StoreIdentity("a" * 16, "here")))
    offsets.assign({HERE: Commit(0, "")})
    backpressure = Backpressure(pauses, offsets, FlowLimits(unfinished_records=100))
    here = offsets.owned[HERE]
    here.begin([RawRecord("log", 0, offset, -1, None, b"") for offset in range(read)])
    backpressure.adjust(0, 0, 0, stops_reading=False)
    assert pauses.counts() == {PauseReason.UNFINISHED: 1}
    for offset in ended:
        here.end(offset, FILTERED)
    backpressure.adjust(0, 0, 1, stops_reading=False)
    return pauses.paused()


@pytest.mark.parametrize(
    ("ended", "is_read_on"),
    [
        pytest.param(range(50), False, id="more than half is in flight"),
        pytest.param(range(51), True, id="half is in flight"),
        pytest.param(range(1, 101), False, id="too much lies behind one record"),
        pytest.param([0, *range(2, 101)], True, id="one record is left, and what lies behind it is within the limit"),
        pytest.param(range(101), True, id="nothing is left"),
    ],
)
def test_a_partition_is_read_on_when_few_records_are_left(ended, is_read_on):
    assert (after(101, ended) == set()) == is_read_on


OTHER = Partition("log", 1)


class Flow:
    """Two partitions, and what is in flight of the first one."""

    def __init__(self):
        self.pauses, self.offsets = Pauses(), Offsets(GroupStore(StoreIdentity("a" * 16, "here")))
        self.offsets.assign({HERE: Commit(0, ""), OTHER: Commit(0, "")})
        limits = FlowLimits(unfinished_records=100, in_flight_bytes=1_000, ready_batches=8)
        self.backpressure = Backpressure(self.pauses, self.offsets, limits)
        self.offsets.owned[HERE].begin([RawRecord("log", 0, offset, -1, None, b"") for offset in range(10)])

    def reasons(self, *, size=0, ready=0, dead_letters=0, now_ms=0, stops_reading=False):
        self.offsets.owned[HERE].unfinished_bytes = size
        self.backpressure.adjust(ready, dead_letters, now_ms, stops_reading=stops_reading)
        return self.pauses.reasons(HERE), self.pauses.reasons(OTHER)


def test_a_partition_is_paused_for_several_reasons_and_read_when_none_is_left():
    flow = Flow()
    full, behind, undecodable = PauseReason.IN_FLIGHT, PauseReason.SENDERS, PauseReason.UNDECODABLE
    assert flow.reasons() == (set(), set())
    flow.backpressure.pause_until(HERE, 100, "its schema")
    assert flow.reasons(size=1_001) == ({full, undecodable}, {full})
    assert flow.reasons(size=501, ready=9) == ({full, behind, undecodable}, {full, behind})
    assert flow.reasons(size=500, ready=3) == ({behind, undecodable}, {behind})
    assert flow.reasons(ready=2, now_ms=99) == ({undecodable}, set())
    assert flow.backpressure.waits_for == "its schema"
    assert flow.reasons(now_ms=100) == (set(), set())
    assert not flow.backpressure.waits_for


def test_dead_letters_are_the_reason_where_most_of_what_is_in_flight_waits_for_their_topic():
    flow = Flow()
    full, dead = PauseReason.IN_FLIGHT, PauseReason.DEAD_LETTERS
    assert flow.reasons(size=900, dead_letters=10) == (set(), set())
    assert flow.reasons(size=1_001, dead_letters=5) == ({full}, {full})
    assert flow.reasons(size=1_001, dead_letters=6) == ({full, dead}, {full, dead})
    assert flow.reasons(size=500, dead_letters=6) == (set(), set())


def test_what_is_assigned_while_the_memory_is_full_is_not_read_either():
    flow = Flow()
    flow.reasons(size=1_001)
    flow.offsets.assign({OTHER: Commit(0, "")})
    flow.pauses.forget([OTHER])  # as the source does
    assert flow.reasons(size=501) == ({PauseReason.IN_FLIGHT}, {PauseReason.IN_FLIGHT})
    assert flow.reasons(stops_reading=True) == ({PauseReason.ENDING}, {PauseReason.ENDING})
    assert flow.backpressure.all_paused
