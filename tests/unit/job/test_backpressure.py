"""Back-pressure: which partitions are paused and resumed, by what is in flight and by what ended behind it."""

from __future__ import annotations

import pytest

from pipeline.contracts.values import Commit, Partition, StoreIdentity
from pipeline.job.backpressure import Backpressure
from pipeline.job.books import FILTERED
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.group_store import GroupStore
from pipeline.job.offsets import Offsets
from schemas.log import RawRecord

HERE = Partition("log", 0)


class Source:
    """Remembers what is paused."""

    def __init__(self):
        self.paused = set()

    def pause(self, partitions):
        self.paused.update(partitions)

    def resume(self, partitions):
        self.paused.difference_update(partitions)


def after(read, ended):
    """The paused partitions after 101 records of a limit of 100 were read, and then some of `read` ended."""
    source, offsets = Source(), Offsets(GroupStore(StoreIdentity("a" * 16, "here")))
    offsets.assign({HERE: Commit(0, "")})
    backpressure = Backpressure(source, offsets, FlowLimits(unfinished_records=100))
    here = offsets.owned[HERE]
    here.begin([RawRecord("log", 0, offset, -1, None, b"") for offset in range(read)])
    backpressure.adjust(0, 0, stops_reading=False)
    assert source.paused == {HERE}
    for offset in ended:
        here.end(offset, FILTERED)
    backpressure.adjust(0, 1, stops_reading=False)
    return source.paused


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
