"""What one poll of a consumer may unpack and return, in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from kafka import KafkaConsumer, errors
from kafka.consumer.fetcher import Fetcher

from pipeline.kafka_io.bounded_batches import BoundedBatches

RECORD_BYTES = 512
HEADER_BYTES = 128
"""What a record, and each of its headers, costs in memory beside its bytes."""


KEY_AND_HEADERS_BYTES = 1 << 20
"""How much larger than `limits.record` a record is always read."""

DEFAULT_RECORD_BYTES = 8 << 20
DEFAULT_BATCH_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class ReadBounds:
    """The bounds of what is unpacked, in bytes."""

    record: int = DEFAULT_RECORD_BYTES
    """The largest record of a compressed batch that is read whole. Of a larger one nothing is kept but its place and its key."""

    batch: int = DEFAULT_BATCH_BYTES
    """The largest content of a batch that cannot be unpacked piece by piece."""

    @classmethod
    def of(cls, record_bytes: int, in_flight_bytes: int) -> ReadBounds:
        """Return the bounds for `limits.record` and `limits.in_flight`: each value that `limits.record` allows is read."""
        record = max(DEFAULT_RECORD_BYTES, record_bytes + KEY_AND_HEADERS_BYTES)
        return cls(record, max(DEFAULT_BATCH_BYTES, record, in_flight_bytes))


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python ships no types
    """The records of one fetched partition, of which a `take` returns some."""

    def __init__(self, *given: Any, bounds: ReadBounds, **named: Any) -> None:
        self._bounds = bounds
        self.room = 0  # for the next `take`
        self.taken = 0  # by the last one
        super().__init__(*given, **named)

    def take(self, n: int | None = None) -> list[Any]:
        """Return the next records: at most `n`, and none after `room` bytes, but at least one."""
        self._maybe_raise_next_inline_exception()
        records: list[Any] = []
        append = records.append  # looked up once: this loop is part of the cost of each record
        begin = self.bytes_read
        end = begin + self.room
        try:
            for record in islice(self.record_iterator, n):
                append(record)
                end -= RECORD_BYTES
                if record.headers:
                    end -= HEADER_BYTES * len(record.headers)
                if self.bytes_read >= end:
                    break
        except errors.KafkaError as error:  # the records before it come first, as in the method of kafka-python
            if not records:
                raise
            self._next_inline_exception = error
        self.taken = self.room - (end - self.bytes_read)
        return records

    def _unpack_records(self, tp: Any, records: Any, *deserializers: Any) -> Any:
        bounded = BoundedBatches(records, self._bounds.record, self._bounds.batch)
        return super()._unpack_records(tp, bounded, *deserializers)


class BoundedFetcher(Fetcher):  # type: ignore[misc]  # kafka-python ships no types
    """The fetcher of one consumer. `take_over` makes it of kafka-python's own.

    kafka-python 3.0.12 unpacks a compressed batch as a whole, whatever it comes to, and bounds a poll by the number of its records alone.
    """

    PartitionRecords: Any
    most_bytes: int  # of the next poll; a poll may return one record more
    is_full: bool  # whether the last poll returned as much as it may
    _room: int

    @classmethod
    def take_over(cls, consumer: KafkaConsumer, bounds: ReadBounds) -> None:
        """Make the fetcher of a new consumer one of this class."""
        fetcher = consumer._fetcher  # noqa: SLF001 - kafka-python has no other way to choose it
        fetcher.__class__ = cls
        fetcher.PartitionRecords = partial(_PartitionRecords, bounds=bounds)
        fetcher.most_bytes = fetcher._room = bounds.batch  # noqa: SLF001
        fetcher.is_full = False

    def fetched_records(self, max_records: int | None = None, update_offsets: bool = True) -> Any:  # noqa: FBT001, FBT002 - as in kafka-python
        """Return what kafka-python's method returns, up to `most_bytes`."""
        self._room = self.most_bytes
        found = super().fetched_records(max_records, update_offsets)
        count = sum(map(len, found[0].values()))
        self.is_full = count > 0 and (self._room <= 0 or count == max_records)
        return found

    def _append(self, drained: Any, part: Any, max_records: int, update_offsets: bool) -> int:  # noqa: FBT001 - as in kafka-python
        """Move records of a partition to those of the poll, and return their number, or `max_records` where the poll is full."""
        part.room, part.taken = self._room, 0
        count: int = super()._append(drained, part, max_records, update_offsets)
        self._room -= part.taken
        return max_records if count and self._room <= 0 else count
