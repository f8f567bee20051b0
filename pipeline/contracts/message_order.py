"""The order of the versions of one message: which of two records the log tells later.

Within one place (a partition of one topic) the offset decides, then the position within the record. Between two places only the records'
times are left. Kafka's own times may run backwards within a partition, so an order that replaces another one of its place keeps the later time
of the two: what one partition tells later is never older for another partition.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

from pipeline.contracts.values import Partition

_LAYOUT = struct.Struct(">QQQI")
"""The bytes of an order: the record's time + 1 (0 without a time), its place, its offset, and the position within the record. Bytes compare as numbers do."""

ORDER_BYTES = _LAYOUT.size
_TIME = slice(0, 8)
_PLACE = slice(8, 16)
_TIME_AND_PLACE = slice(0, 16)
_POSITION = slice(16, None)
_NO_TIME = bytes(8)
_MOST = 0xFFFFFFFFFFFFFFFF


def place_number(partition: Partition, topic_id: str = "") -> int:
    """Return the number of a place, 64 bits. `topic_id` is the broker's ID of the topic: a topic created again is another place."""
    parts = (*partition, topic_id) if topic_id else tuple(partition)
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest())


def record_origin(place: int, offset: int) -> bytes:
    """Return eight bytes that stand for one record: its place and its offset."""
    return ((place + offset) & _MOST).to_bytes(8)


def order_of(place: int, offset: int, time_ms: int) -> bytes:
    """Return the order of the first message of a record. `time_ms` is the record's time in Unix ms; it is negative where the record has none."""
    return _LAYOUT.pack(max(time_ms, -1) + 1, place, offset & _MOST, 0)


def at_position(order: bytes, position: int) -> bytes:
    """Return the order of another message of the record: the one at `position`, from 0."""
    return order[:-4] + position.to_bytes(4)


def is_same_place(order: bytes, other: bytes) -> bool:
    """Return whether two orders are of one partition of one topic."""
    return order[_PLACE] == other[_PLACE]


def is_older(order: bytes, than: bytes) -> bool:
    """Return whether the log tells `order` before `than`. False where nobody can know: one of them is missing or, between two places, has no time.

    Records of two places with equal times are told in the order of their places, so that every process and every replay decides alike.
    """
    if not order or not than:
        return False
    if order[_PLACE] == than[_PLACE]:
        return order[_POSITION] < than[_POSITION]
    if order[_TIME] == _NO_TIME or than[_TIME] == _NO_TIME:
        return False
    return order[_TIME_AND_PLACE] < than[_TIME_AND_PLACE]


def succeeding(order: bytes, before: bytes) -> bytes:
    """Return the order that replaces `before`: `order`, with the later time of the two if both are of one place."""
    if before and order[_PLACE] == before[_PLACE] and order[_TIME] < before[_TIME]:
        return before[_TIME] + order[8:]
    return order
