"""Reading records that kafka-python refuses though they are whole."""

from __future__ import annotations

from typing import Any

from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

_read_strictly = DefaultRecordBatch._read_msg  # noqa: SLF001 - kafka-python has no setting for this


def read_malformed_header_names() -> None:
    """From now on take header names that are no UTF-8, each wrong byte as `?`.

    Kafka itself does not look at names, and the Java client and librdkafka read such records; kafka-python calls them corrupt. Not done
    before it is needed, since it costs every record a call.
    """
    DefaultRecordBatch._read_msg = _read_tolerantly  # noqa: SLF001


def _read_tolerantly(batch: DefaultRecordBatch) -> Any:
    try:
        return _read_strictly(batch)
    except UnicodeDecodeError:
        _mend_header_names(batch._buffer, batch._pos)  # noqa: SLF001
        return _read_strictly(batch)


def _mend_header_names(buffer: bytearray, position: int) -> None:
    """Replace what is no UTF-8 in the header names of the record at `position`, byte for byte, in the client's own copy of the batch."""
    for _ in range(4):  # length, attributes, timestamp delta, offset delta
        _, position = decode_varint(buffer, position)
    for _ in range(2):  # key and value
        length, position = decode_varint(buffer, position)
        position += max(0, length)
    count, position = decode_varint(buffer, position)
    for _ in range(count):
        length, position = decode_varint(buffer, position)
        name = bytes(buffer[position : position + length])
        buffer[position : position + length] = _plain(name)
        position += length
        length, position = decode_varint(buffer, position)
        position += max(0, length)


def _plain(name: bytes) -> bytes:
    """Return a name of the same length that is UTF-8."""
    while True:
        try:
            name.decode()
        except UnicodeDecodeError as error:
            name = name[: error.start] + b"?" * (error.end - error.start) + name[error.end :]
        else:
            return name
