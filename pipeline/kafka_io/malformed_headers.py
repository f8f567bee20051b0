"""A workaround: kafka-python refuses valid records whose header names are not UTF-8."""

from __future__ import annotations

from typing import Any

from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

_read_strictly = DefaultRecordBatch._read_msg  # noqa: SLF001 - kafka-python has no setting for this


def read_malformed_header_names() -> None:
    """From now on read header names that are not UTF-8, with `?` for each wrong byte.

    Kafka does not check header names, and the Java client and librdkafka read such records. kafka-python raises `CorruptRecordError`. This is
    switched on only when it is needed, since it costs one more call for every record.
    """
    DefaultRecordBatch._read_msg = _read_tolerantly  # noqa: SLF001


def _read_tolerantly(batch: DefaultRecordBatch) -> Any:
    try:
        return _read_strictly(batch)
    except UnicodeDecodeError:
        _correct_header_names(batch._buffer, batch._pos)  # noqa: SLF001
        return _read_strictly(batch)


def _correct_header_names(buffer: bytearray, position: int) -> None:
    """Replace each byte that is not UTF-8 in the header names of the record at `position`, in the client's own copy of the batch."""
    for _ in range(4):  # length, attributes, timestamp delta, offset delta
        _, position = decode_varint(buffer, position)
    for _ in range(2):  # key and value
        length, position = decode_varint(buffer, position)
        position += max(0, length)
    count, position = decode_varint(buffer, position)
    for _ in range(count):
        length, position = decode_varint(buffer, position)
        name = bytes(buffer[position : position + length])
        buffer[position : position + length] = _utf8(name)
        position += length
        length, position = decode_varint(buffer, position)
        position += max(0, length)


def _utf8(name: bytes) -> bytes:
    """Return the name as UTF-8 of the same length."""
    while True:
        try:
            name.decode()
        except UnicodeDecodeError as error:
            name = name[: error.start] + b"?" * (error.end - error.start) + name[error.end :]
        else:
            return name
