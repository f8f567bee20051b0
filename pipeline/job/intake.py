"""From the records of a poll to messages that are claimed next: each record is converted and opened, or read again later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pipeline.contracts.interfaces import Source
from pipeline.contracts.values import Partition, Pending, Polled
from pipeline.errors import RegistryUnavailable
from pipeline.job.backpressure import Backpressure
from pipeline.job.converter import Converter
from pipeline.job.in_flight import InFlight, PendingMessage
from pipeline.job.offsets import Offsets
from pipeline.job.partition_offsets import PartitionOffsets
from schemas.log import Record

CONVERT_MS = 1_000
"""Time budget for converting the records of one poll.

Records not converted by then are sought back to and read again: a member that does not poll in time is evicted from its group, and its
claims expire with their lease.
"""

RECORDS_AT_ONCE = 250
"""Records converted between two looks at the senders: enough to keep them busy, and few enough to stay in the processor's cache."""


class Intake:
    """Converts and opens records in the order of their partition."""

    def __init__(
        self,
        source: Source,
        convert: Converter,
        offsets: Offsets,
        in_flight: InFlight,
        backpressure: Backpressure,
        clock: Callable[[], int],
        most_bytes: int,
    ) -> None:
        """`clock` returns ms of a clock that never goes back. `most_bytes` is the weight of records in flight at which reading stops."""
        self._source = source
        self._convert = convert
        self._offsets = offsets
        self._in_flight = in_flight
        self._backpressure = backpressure
        self._clock = clock
        self._most_bytes = most_bytes

    @property
    def poll_bytes(self) -> int:
        """The most bytes of records that the next poll may return.

        A record counts here with its value, and in flight with its messages, too: as a rule at most twice its value. So what is read is also kept.
        """
        return max(0, self._most_bytes - self._offsets.unfinished_bytes) // 2

    def read(self, polled: Polled) -> Iterator[Sequence[PendingMessage]]:
        """Yield the messages to be claimed, of `RECORDS_AT_ONCE` records at a time. The caller does other work between two of them.

        Records are read again later where the time is up, the memory is full, or one of them cannot be decoded yet.

        Raises:
            RegistryUnavailable: a Schema Registry that a record needs has been away for too long.
        """
        until_ms = self._clock() + CONVERT_MS
        unread: set[Partition] = set()
        for partition, records in polled.records.items():
            if (offsets := self._offsets.owned.get(partition)) is None:
                continue  # the partition was revoked: its new owner reads these records
            offsets.begin(records)
            for begin in range(0, len(records), RECORDS_AT_ONCE):
                chunk = records[begin : begin + RECORDS_AT_ONCE]
                messages, count, pending = self._open(chunk, offsets, until_ms)
                if count < len(chunk):
                    self._read_again(partition, offsets, records[begin + count :], pending)
                    unread.add(partition)
                yield messages
                if partition in unread:
                    break
        self._offsets.advance({each: position for each, position in polled.positions.items() if each not in unread})

    def _open(
        self, records: Sequence[Record], offsets: PartitionOffsets, until_ms: int
    ) -> tuple[list[PendingMessage], int, Pending | None]:
        """Return the messages to be claimed, the number of records opened, and what the next record waits for."""
        convert, open_record, clock, place = self._convert, self._in_flight.open, self._clock, offsets.place
        claimed: list[PendingMessage] = []
        room = max(0, self._most_bytes - self._offsets.unfinished_bytes)
        full_at = offsets.unfinished_bytes + room
        for count, record in enumerate(records):
            if clock() >= until_ms or offsets.unfinished_bytes > full_at:
                return claimed, count, None
            messages, refusal, _, pending = convert(record, place)
            if pending is not None:
                return claimed, count, pending
            claimed += open_record(record, offsets, messages, refusal)
        return claimed, len(records), None

    def _read_again(
        self, partition: Partition, offsets: PartitionOffsets, records: Sequence[Record], pending: Pending | None
    ) -> None:
        """Seek back to records: they are read again at once, or when the first of them can be decoded. Other partitions are read on."""
        offsets.unread(records)
        if pending is not None and pending.is_lost:
            raise RegistryUnavailable(pending.reason, may_pass=pending.may_pass)
        self._source.seek(partition, records[0].offset)
        if pending is not None:
            self._backpressure.pause_until(partition, self._clock() + pending.after_ms, pending.reason)
