"""Compressed batches are read piece by piece, as kafka-python reads them whole."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import codec, errors
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c

from pipeline.dead_letters.headers import CUT_HEADER, UNKNOWN_SIZE
from pipeline.kafka_io import bounded_batches
from pipeline.kafka_io.bounded_batches import PIECE_BYTES, BoundedBatches
from pipeline.kafka_io.unpacking import GZIP, LZ4, SNAPPY, ZSTD, UnpackedTooLarge
from tests.support.examples import examples

MIB = 1 << 20
CODECS = [GZIP, SNAPPY, LZ4, ZSTD]
LIMIT = 8 * MIB


def zstd_in_a_stream(content):
    """As the Java client and librdkafka compress: the frame does not tell the size of its content."""
    packer = codec.zstd.ZstdCompressor(level=3).compressobj()
    return packer.compress(content) + packer.flush()


def zstd_in_one_segment(content):
    """As the highest levels compress: only a decoder that keeps the whole content can unpack the frame."""
    return codec.zstd.ZstdCompressor(level=22).compress(bytes(content))


def snappy_in_one_block(content):
    """As librdkafka compresses."""
    return codec.snappy.compress(bytes(content))


def batch_of(records, number, pack=None):
    """Return a batch at offset 0. A record is its key, its value and its headers."""
    builder = DefaultRecordBatchBuilder(2, number, 0, -1, -1, -1, 1 << 31)
    for offset, (key, value, headers) in enumerate(records):
        assert builder.append(offset, 1_000 + offset, key, value, headers)
    if pack is None:
        return bytes(builder.build())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kafka.record.default_records.zstd_encode", pack)
        patch.setattr("kafka.record.default_records.snappy_encode", pack)
        return bytes(builder.build())


def read(packed, most_record_bytes=LIMIT, most_bytes=4 * LIMIT):
    batches = BoundedBatches(MemoryRecords(packed), most_record_bytes, most_bytes)
    while (batch := batches.next_batch()) is not None:
        assert batch.validate_crc()
        yield from batch


def marked(packed, base_offset, marks):
    """Return a batch with another first offset, and with marks of the format: the time of the broker (8), a transaction (16), a control batch (32)."""
    header = DefaultRecordBatch.HEADER_STRUCT
    _, length, epoch, magic, _, attributes, *_ = header.unpack_from(packed)
    after_crc = struct.pack(">h", attributes | marks) + packed[DefaultRecordBatch.ATTRIBUTES_OFFSET + 2 :]
    return struct.pack(">qiibI", base_offset, length, epoch, magic, calc_crc32c(memoryview(after_crc))) + after_crc


def shown(records):
    return [
        (
            each.__class__,
            each.offset,
            each.timestamp,
            each.timestamp_type,
            each.key,
            each.value,
            each.headers,
            each.size_in_bytes,
        )
        for each in records
    ]


def whole(packed):
    return shown(record for batch in MemoryRecords(packed) for record in batch)


TEXT = st.none() | st.binary(max_size=300) | st.integers(0, 3 * PIECE_BYTES).map(lambda size: b"x" * size)
RECORDS = st.lists(
    st.tuples(
        st.none() | st.binary(max_size=20),
        TEXT,
        st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=9)), max_size=3),
    ),
    min_size=1,
    max_size=40,
)
PACKS = {ZSTD: [None, zstd_in_a_stream, zstd_in_one_segment], SNAPPY: [None, snappy_in_one_block]}


@given(RECORDS, st.sampled_from([0, *CODECS]), st.integers(0, 1 << 62), st.sampled_from([0, 8, 16, 24]), st.data())
@examples(times=0.3)
def test_what_is_read_is_what_kafka_python_reads(records, number, base_offset, marks, given_data):
    packed = batch_of(records, number, given_data.draw(st.sampled_from(PACKS.get(number, [None]))))
    packed = marked(packed, base_offset, marks)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PIECE_BYTES", "WHOLE_BYTES"):
            patch.setattr(bounded_batches, name, given_data.draw(st.sampled_from([1, 7, 100, PIECE_BYTES, MIB])))
        assert shown(read(packed)) == whole(packed)


def test_a_mark_of_a_transaction_is_read_as_kafka_python_reads_it():
    packed = marked(batch_of([(struct.pack(">hh", 0, 1), struct.pack(">hi", 0, 0), [])], 0), 7, 48)
    assert shown(read(packed)) == whole(packed)


@pytest.mark.parametrize("number", [0, *CODECS])
def test_several_batches_of_a_fetch_are_read_one_after_the_other(number):
    packed = batch_of([(b"a", b"1", [])], number) + batch_of([(b"b", b"2" * MIB, []), (None, None, [])], 0)
    assert shown(read(packed)) == whole(packed)


@pytest.mark.parametrize("number", CODECS)
def test_a_record_that_is_too_large_is_passed_over_and_the_others_are_read(number):
    records = [(b"a", b"1", []), (b"b", b"y" * (3 * MIB), [("h", b"1")]), (b"z" * MIB, b"z", []), (b"c", b"2", [])]
    first, second, third, last = read(batch_of(records, number), most_record_bytes=MIB)
    assert (first.value, last.value, last.offset, last.key) == (b"1", b"2", 3, b"c")
    assert (second.offset, second.timestamp, second.key, second.value) == (1, 1_001, b"b", None)
    assert second.headers == [(CUT_HEADER, b"%d" % (3 * MIB))]
    assert (third.offset, third.key, third.value, third.headers) == (2, None, None, [(CUT_HEADER, b"1")])


@pytest.mark.parametrize(
    "number", [LZ4, *(pytest.param(each, marks=pytest.mark.slow) for each in (GZIP, SNAPPY, ZSTD))]
)
def test_a_record_of_very_many_headers_is_passed_over(number):
    records = [(None, b"1", [("", None)] * MIB), (None, b"2", [])]
    first, last = read(batch_of(records, number))
    assert (first.value, first.headers) == (None, [(CUT_HEADER, b"1")])
    assert last.value == b"2"


@pytest.mark.parametrize(("number", "pack"), [(ZSTD, zstd_in_one_segment), (SNAPPY, snappy_in_one_block)])
def test_of_a_batch_that_only_unpacks_as_a_whole_and_is_too_large_each_record_is_passed_over(number, pack):
    packed = batch_of([(b"a", b"x" * MIB, [])] * 12, number, pack)
    assert [each.value for each in read(packed, most_bytes=16 * MIB)] == [b"x" * MIB] * 12
    found = list(read(packed, most_bytes=10 * MIB))
    assert [(each.offset, each.value, each.headers) for each in found] == [
        (offset, None, [(CUT_HEADER, UNKNOWN_SIZE)]) for offset in range(12)
    ]


@pytest.mark.slow
def test_a_frame_with_a_large_window_that_hides_its_size_is_read_up_to_the_bound():
    def pack(content):
        packer = codec.zstd.ZstdCompressor(level=22).compressobj()
        return packer.compress(content) + packer.flush()

    packed = batch_of([(b"a", b"x" * MIB, [])] * 12, ZSTD, pack)
    assert len(list(read(packed))) == 12
    found = list(read(packed, most_bytes=5 * MIB + 500))
    assert [each.offset for each in found] == list(range(12))
    assert [each.value is None for each in found] == [False] * 5 + [True] * 7


@pytest.mark.parametrize("size", [1 << 31, (1 << 32) - 1])
def test_a_block_of_snappy_that_lies_about_its_size_takes_no_memory(size):
    def lie(_content):
        parts = [size >> 7 * place & 0x7F for place in range(5)]
        return bytes([*(each | 0x80 for each in parts[:-1]), parts[-1]])

    [record] = read(batch_of([(b"a", b"x" * 100, [])], SNAPPY, lie))
    assert record.headers == [(CUT_HEADER, UNKNOWN_SIZE)]


@pytest.mark.parametrize(
    ("number", "pack"),
    [
        (LZ4, None),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [(GZIP, None), (SNAPPY, None), (ZSTD, None), (ZSTD, zstd_in_a_stream)]
        ),
    ],
)
def test_a_batch_of_64_mib_takes_a_piece_of_memory(number, pack):
    packed = batch_of([(b"a", b"x" * 100_000, [])] * 640, number, pack)
    tracemalloc.start()
    try:
        count = sum(len(each.value) == 100_000 for each in read(packed))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 640
    assert peak < 4 * len(packed) + 4 * MIB


@given(st.sampled_from(CODECS), st.data())
@examples(times=0.5)
def test_damaged_bytes_are_corrupt_records_and_nothing_else(number, given_data):
    packed = bytearray(batch_of([(b"a", b"12345" * 40, [])] * 5, number))
    for _ in range(given_data.draw(st.integers(1, 3))):
        packed[given_data.draw(st.integers(61, len(packed) - 1))] = given_data.draw(st.integers(0, 255))
    batches = BoundedBatches(MemoryRecords(bytes(packed)), LIMIT, LIMIT)
    with suppress(errors.CorruptRecordError):
        list(batches.next_batch())


@pytest.mark.parametrize("size", [17, 26, 40, 60])
def test_a_batch_that_is_shorter_than_its_header_is_corrupt(size):
    short = struct.pack(">qi", 0, size - 12) + batch_of([(None, b"1", [])], 0)[12:size]
    with pytest.raises(errors.CorruptRecordError):
        list(read(short))


@pytest.mark.parametrize("cut", [1, 5, 40])
@pytest.mark.parametrize("number", CODECS)
def test_a_batch_that_ends_too_early_is_corrupt(number, cut):
    packed = bytearray(batch_of([(b"a", b"12345" * 40, [])] * 5, number)[:-cut])
    struct.pack_into(">i", packed, 8, len(packed) - 12)
    with pytest.raises(errors.CorruptRecordError):
        list(BoundedBatches(MemoryRecords(bytes(packed)), LIMIT, LIMIT).next_batch())


@pytest.mark.parametrize("number", [GZIP, SNAPPY, LZ4])
def test_a_message_set_of_the_old_format_is_read_up_to_the_bound(number):
    builder = LegacyRecordBatchBuilder(1, number, 1 << 31)
    for offset in range(10):
        builder.append(offset, 1_000, b"a", b"x" * 100_000)
    packed = bytes(builder.build())
    assert [(each.offset, len(each.value)) for each in read(packed)] == [(n, 100_000) for n in range(10)]
    with pytest.raises(UnpackedTooLarge):
        list(read(packed, most_bytes=MIB // 2))
