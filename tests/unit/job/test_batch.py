"""Batches never exceed their limits, keep order, and lose nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.values import Claim, Commit, Partition
from pipeline.job.batch import Batch, Batcher
from pipeline.job.in_flight import PendingMessage, PendingRecord
from pipeline.job.partition_offsets import PartitionOffsets
from schemas.log import RawRecord
from transforms.base import Kind

OFFSETS = PartitionOffsets(Partition("log", 0), Commit(0, ""))


def message(number, size=10, offsets=OFFSETS):
    pending = PendingRecord(RawRecord("log", 0, number, -1, None, b""), offsets, 0)
    made = PendingMessage(Kind.EVENT, b"x" * size, Claim(number.to_bytes(16), bytes(8), bytes(8)))
    made.record = pending
    return made


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 10), st.integers(20, 200))
def test_batches_keep_to_count_and_bytes_in_order(sizes, most_messages, most_bytes):
    batcher = Batcher(Kind.EVENT, most_messages, most_bytes, most_age_ms=1000)
    batches = []
    for number, size in enumerate(sizes):
        if (full := batcher.add(message(number, size), now_ms=number)) is not None:
            batches.append(full)
    if len(batcher):
        batches.append(batcher.seal())
    for batch in batches:
        assert 1 <= len(batch.messages) <= most_messages
        assert sum(len(each.body) + 1 for each in batch.messages) <= most_bytes or len(batch.messages) == 1
    assert [each.record.raw.offset for batch in batches for each in batch.messages] == list(range(len(sizes)))


def test_age_counts_from_the_oldest_message():
    batcher = Batcher(Kind.EVENT, 100, 10_000, most_age_ms=1000)
    assert batcher.due_ms() is None
    batcher.add(message(1), now_ms=500)
    batcher.add(message(2), now_ms=900)
    assert batcher.due_ms() == 1500
    batcher.seal()
    assert batcher.due_ms() is None


@given(st.integers(2, 100))
def test_halves_hold_the_whole(count):
    batch = Batch(Kind.EVENT, [message(number) for number in range(count)], in_doubt=True)
    first, second = batch.halves()
    assert first.messages + second.messages == batch.messages
    assert abs(len(first.messages) - len(second.messages)) <= 1
    assert first.in_doubt
    assert second.in_doubt


def test_what_belongs_to_a_partition_taken_away_is_handed_out():
    taken = PartitionOffsets(Partition("log", 1), Commit(0, ""))
    batcher = Batcher(Kind.EVENT, 100, 10_000, most_age_ms=1000)
    batcher.add(message(1), 0)
    batcher.add(message(2, offsets=taken), 0)
    taken.closed = True
    assert [each.record.raw.offset for each in batcher.drop_stale()] == [2]
    assert [each.record.raw.offset for each in batcher.seal().messages] == [1]
