"""kafka-python's batches, of which only a piece is unpacked at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from kafka import errors
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import decode_varint

from pipeline.dead_letters.headers import CUT_HEADER, UNKNOWN_SIZE
from pipeline.kafka_io.unpacking import ByteStream, UnpackedTooLarge, open_stream

PIECE_BYTES = 256 << 10
"""How much of a batch is unpacked at a time, unless a record is larger."""

WHOLE_BYTES = 1 << 20
"""A batch that comes to less is unpacked whole."""

MOST_HEADERS = 10_000
"""The most headers of a record that is larger than a piece. Each costs some hundred bytes of memory, and as little as two in the batch."""

MOST_KEY_BYTES = 64 << 10
"""The largest key that is kept of a record that is too large."""

_MAGIC = 2
_MAGIC_AT = 16
"""The format of batches since Kafka 0.11, and the place of its number."""

_OF_EACH_RECORD = ("base_offset", "first_timestamp", "is_control_batch", "max_timestamp", "timestamp_type")
"""The properties of a batch that kafka-python asks for at each of its records."""

_VARINT_BYTES = 10
_LENGTH = struct.Struct(">i")


class BoundedBatches:
    """The batches of one fetched partition. `next_batch` is all that kafka-python calls to read them."""

    def __init__(self, records: MemoryRecords, most_record_bytes: int, most_bytes: int) -> None:
        """`most_record_bytes` bounds a record, `most_bytes` a batch that cannot be unpacked piece by piece."""
        self._records = records
        self._most_record_bytes, self._most_bytes = most_record_bytes, most_bytes

    def next_batch(self) -> Any:
        """Return the next batch, or None.

        Raises:
            CorruptRecordError: the bytes are damaged.
        """
        packed = self._records._next_slice  # noqa: SLF001 - kafka-python has no way to choose the class of a batch
        if packed is not None and len(packed) > _MAGIC_AT and packed[_MAGIC_AT] == _MAGIC:
            if len(packed) < DefaultRecordBatch.HEADER_STRUCT.size:
                raise errors.CorruptRecordError("a batch is shorter than its header")
            self._records._cache_next()  # noqa: SLF001 - as its `next_batch` does
            return _Batch(packed, self._most_record_bytes, self._most_bytes)
        batch = self._records.next_batch()
        if isinstance(batch, LegacyRecordBatch) and batch.compression_type:
            return _LegacyBatch(packed, batch.magic, self._most_bytes)
        return batch


class _Batch(DefaultRecordBatch):  # type: ignore[misc]  # kafka-python ships no types
    """A batch. Of a compressed one `_buffer` holds the piece that is unpacked, and `_pos` is the place of the next record in this piece.

    kafka-python computes what the header tells anew for each record, some of it twice. Here it is computed once.
    """

    __slots__ = ("_most_bytes", "_most_record_bytes", "_passed", "_stream", *_OF_EACH_RECORD)
    _buffer: bytearray
    _pos: int
    _passed: int  # the bytes of the batch before `_buffer`
    _stream: ByteStream

    def __init__(self, packed: memoryview, most_record_bytes: int, most_bytes: int) -> None:
        super().__init__(packed)
        self._most_record_bytes, self._most_bytes, self._passed = most_record_bytes, most_bytes, 0
        for name in _OF_EACH_RECORD:
            setattr(self, name, getattr(DefaultRecordBatch, name).__get__(self))

    def __iter__(self) -> Iterator[Any]:
        """Return the records. Of a compressed one that is too large only its place, its key and the size of its value are known."""
        if not self.compression_type:
            return super().__iter__()  # type: ignore[no-any-return]
        self._assert_has_codec(self.compression_type)
        packed = memoryview(self._buffer)[self._pos :]
        self._buffer, self._pos, self._decompressed = bytearray(), 0, True
        try:
            self._stream = open_stream(self.compression_type, packed, self._most_bytes)
            self._hold(WHOLE_BYTES)
        except UnpackedTooLarge:
            return self._cut_from(self.base_offset, self._num_records)
        if len(self._buffer) < WHOLE_BYTES:  # the whole batch, as most are: it costs what it costs without bounds
            return super().__iter__()  # type: ignore[no-any-return]
        return self._read_by_pieces()

    def _read_by_pieces(self) -> Iterator[Any]:
        offset, left = self.base_offset, self._num_records
        try:
            while left:
                record = self._read_next()
                offset, left = record.offset + 1, left - 1
                yield record
            if self._pos != len(self._buffer) or self._stream.read(1):
                raise errors.CorruptRecordError("a batch holds more than its records")
        except UnpackedTooLarge:
            self._buffer = bytearray()
            yield from self._cut_from(offset, left)
        except (ValueError, IndexError) as error:
            raise errors.CorruptRecordError(f"a record has no valid structure ({type(error).__name__})") from None

    def _read_next(self) -> Any:
        try:
            length, begin = decode_varint(self._buffer, self._pos)
        except IndexError:
            return self._read_beyond()
        return self._read_msg() if begin + length <= len(self._buffer) else self._read_beyond()

    def _read_beyond(self) -> Any:
        """Return a record whose end is not unpacked yet."""
        self._hold(_VARINT_BYTES)
        length, begin = decode_varint(self._buffer, self._pos)
        size = begin - self._pos + length
        if length > self._most_record_bytes:
            return self._read_too_large()
        self._hold(size)
        if len(self._buffer) - self._pos < size:
            raise errors.CorruptRecordError("a batch ends within a record")
        if size <= PIECE_BYTES:
            return self._read_msg()
        record = self._read_msg() if self._header_count() <= MOST_HEADERS else self._read_too_large()
        self._drop_passed()  # a large record is not kept until the next one is read
        return record

    def _header_count(self) -> int:
        position = self._pos
        for _ in range(4):  # length, attributes, time, offset
            _, position = decode_varint(self._buffer, position)
        for _ in range(2):  # key, value
            length, position = decode_varint(self._buffer, position)
            position += max(0, length)
        count, _ = decode_varint(self._buffer, position)
        return int(count)

    def _read_too_large(self) -> Any:
        """Pass over a record, and return what is known of it."""
        length = self._number()
        end = self._passed + self._pos + length
        self._number()  # attributes
        timestamp = self.first_timestamp + self._number()
        offset = self.base_offset + self._number()
        key_bytes, key = self._number(), None
        if 0 <= key_bytes <= MOST_KEY_BYTES:
            self._hold(key_bytes)
            key = bytes(self._buffer[self._pos : self._pos + key_bytes])
        self._pass_over(max(0, key_bytes))
        value_bytes = self._number()
        self._pass_over(end - self._passed - self._pos)
        if self.timestamp_type == self.LOG_APPEND_TIME:
            timestamp = self.max_timestamp
        return self._cut(length, offset, timestamp, key, str(value_bytes).encode())

    def _cut_from(self, offset: int, count: int) -> Iterator[Any]:
        """Return the records from an offset on. Each has the next offset, unless compaction removed some."""
        for place in range(count):
            yield self._cut(0, offset + place, self.max_timestamp, None, UNKNOWN_SIZE)

    def _cut(self, length: int, offset: int, timestamp: int, key: bytes | None, size: bytes) -> Any:
        headers = [(CUT_HEADER, size)]
        return DefaultRecord(length, offset, timestamp, self.timestamp_type, key, None, headers)

    def _number(self) -> int:
        self._hold(_VARINT_BYTES)
        number, self._pos = decode_varint(self._buffer, self._pos)
        return int(number)

    def _pass_over(self, count: int) -> None:
        if count < 0:
            raise errors.CorruptRecordError("a record is larger than it says")
        while count > (held := len(self._buffer) - self._pos):
            count -= held
            self._pos += held
            self._hold(1)
            if not self._buffer:
                raise errors.CorruptRecordError("a batch ends within a record")
        self._pos += count

    def _hold(self, count: int) -> None:
        """Unpack until so many bytes are held from `_pos` on, or the batch ends."""
        if len(self._buffer) - self._pos >= count:
            return
        self._drop_passed()
        while (missing := count - len(self._buffer)) > 0 and (piece := self._stream.read(max(PIECE_BYTES, missing))):
            self._buffer += piece

    def _drop_passed(self) -> None:
        self._passed += self._pos
        self._buffer, self._pos = self._buffer[self._pos :], 0


class _LegacyBatch(LegacyRecordBatch):  # type: ignore[misc]  # kafka-python ships no types
    """A compressed message set of Kafka 0.10 and before. It can only be read as a whole."""

    def __init__(self, packed: memoryview, magic: int, most_bytes: int) -> None:
        super().__init__(packed, magic)
        self._most_bytes = most_bytes

    def _decompress(self, key_offset: int) -> bytearray:
        """Return the content, as kafka-python's method does, unless it is too large.

        Raises:
            UnpackedTooLarge: it is.
        """
        packed = self._buffer
        for length_bytes in (self.KEY_LENGTH, self.VALUE_LENGTH):
            (length,) = _LENGTH.unpack_from(packed, key_offset)
            key_offset += length_bytes
            begin, key_offset = key_offset, key_offset + max(0, length)
        self._assert_has_codec(self.compression_type)
        stream, content = open_stream(self.compression_type, packed[begin:key_offset], self._most_bytes), bytearray()
        while piece := stream.read(PIECE_BYTES):
            content += piece
            if len(content) > self._most_bytes:
                raise UnpackedTooLarge
        return content
