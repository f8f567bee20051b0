"""The leader epoch before an offset: that of the record before it, and never an earlier one than a broker with the next record has there."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Partition
from pipeline.kafka_io.leader_epochs import UNKNOWN, LeaderEpochs

HERE = Partition("log", 0)


class Read(NamedTuple):
    """What of a record is looked at."""

    offset: int
    leader_epoch: int


# Offset by offset: how much the leader epoch has risen since the one before, and whether it is a record (else a marker, which no poll returns).
LOGS = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 3]), st.booleans()), min_size=1, max_size=40)


def read(log):
    epoch, records = 5, []
    for offset, (rise, is_record) in enumerate(log):
        epoch += rise
        records.append((offset, epoch, is_record))
    return records


def end_of_epoch(records, epoch):
    """What the leader answers for an epoch (OffsetForLeaderEpoch): where the next one begins, or the end of its log."""
    return next((offset for offset, later, _ in records if later > epoch), len(records))


@given(log=LOGS, cuts=st.lists(st.integers(1, 40)), backs=st.lists(st.integers(0, 40)), forgotten=st.integers(0, 40))
def test_what_is_still_there_is_never_taken_for_truncated(log, cuts, backs, forgotten):
    """The records are read in several polls, some of them again."""
    records = read(log)
    epochs = LeaderEpochs()
    epochs.begin(HERE, 0, UNKNOWN)
    position, steps = 0, iter(backs)
    for cut in [*sorted(cuts), len(records)]:
        polled = [each for each in records if position <= each[0] < cut]
        if polled:
            position = polled[-1][0] + 1
            found = [Read(offset, epoch) for offset, epoch, is_record in polled if is_record]
            epochs.note(HERE, found, position, polled[-1][1])
        if (back := next(steps, None)) is not None:
            position = min(position, back)  # records are handed back
    committed = min(forgotten, len(records))
    epochs.forget_before(HERE, committed)
    asked = [offset for offset, _, is_record in records if is_record and offset >= committed] + [len(records)]
    for offset in asked:
        if (epoch := epochs.before(HERE, offset)) != UNKNOWN:
            assert end_of_epoch(records, epoch) >= offset
        else:
            assert not any(is_record for _, _, is_record in records[:offset])


@given(log=LOGS)
def test_each_record_has_the_epoch_of_the_one_before(log):
    """Without markers."""
    records = [(offset, epoch, True) for offset, epoch, _ in read(log)]
    epochs = LeaderEpochs()
    epochs.begin(HERE, 0, UNKNOWN)
    epochs.note(HERE, [Read(offset, epoch) for offset, epoch, _ in records], len(records), records[-1][1])
    assert [epochs.before(HERE, offset + 1) for offset, _, _ in records] == [epoch for _, epoch, _ in records]
    assert epochs.before(HERE, 0) == UNKNOWN
    assert epochs.before(Partition("log", 1), 5) == UNKNOWN
