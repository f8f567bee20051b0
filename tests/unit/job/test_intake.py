"""What is polled is kept: the room for it is known before the poll."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.pauses import Pauses
from pipeline.contracts.values import Claim, Commit, Partition, Polled, StoreIdentity
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.job.backpressure import Backpressure
from pipeline.job.converter import Converted
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.group_store import GroupStore
from pipeline.job.in_flight import InFlight, PendingMessage
from pipeline.job.intake import CONVERT_MS, Intake
from pipeline.job.message_end import REPORTED
from pipeline.job.offsets import Offsets
from schemas.log import RawRecord
from tests.support.examples import examples
from transforms.base import Kind

KIB = 1 << 10
MOST = 256 * KIB
HERE = Partition("log", 0)


class Log:
    """A source over one partition, which keeps the bytes that a poll may return."""

    def __init__(self, records):
        self.records, self.position, self.sought, self.pauses = records, 0, 0, Pauses()

    def poll(self, most_bytes):
        begin = self.position
        while self.position < len(self.records) and not self.pauses.paused():
            most_bytes -= len(self.records[self.position].value) + 512
            self.position += 1
            if most_bytes <= 0:
                break
        some = self.records[begin : self.position]
        return Polled([], {HERE: some} if some else {}, {HERE: self.position})

    def seek(self, _partition, offset):
        self.position, self.sought = offset, self.sought + 1


def convert(record, _place=None):
    claim = Claim(b"%016d" % record.offset, bytes(8), bytes(8))
    return Converted([PendingMessage(Kind.EVENT, record.value, claim)])


@given(st.lists(st.sampled_from([20, 900, 3 * KIB, 60 * KIB]), min_size=1, max_size=400), st.data())
@examples(times=0.5)
def test_nothing_that_was_polled_is_handed_back_while_messages_are_as_large_as_their_records(sizes, given_data):
    log = Log([RawRecord("log", 0, offset, -1, None, b"x" * size) for offset, size in enumerate(sizes)])
    offsets = Offsets(GroupStore(StoreIdentity("s", "here"), is_new=False))
    offsets.assign({HERE: Commit(0, "")})
    in_flight = InFlight(lambda _: None, DeadLetterLimit(1.0, 1_000))
    backpressure = Backpressure(log.pauses, offsets, FlowLimits(in_flight_bytes=MOST))
    intake = Intake(log, convert, offsets, in_flight, backpressure, lambda: 0, MOST)
    under_way = []
    for _ in range(10 * len(sizes)):
        polled = log.poll(intake.poll_bytes)
        under_way += [each for messages in intake.read(polled) for each in messages]
        assert offsets.unfinished_bytes <= MOST + 2 * 64 * KIB
        done = given_data.draw(st.integers(0, len(under_way))) if log.position < len(sizes) else len(under_way)
        for message in under_way[:done]:
            in_flight.close(message, REPORTED[Kind.EVENT])
        del under_way[:done]
        backpressure.adjust(0, 0, 0, stops_reading=False)
        if not under_way and log.position == len(sizes):
            break
    assert offsets.committable()[HERE].offset == len(sizes)
    assert log.sought == 0


def read_all(convert_slowly, clock):
    """Read one poll of 240 small records, and return the source."""
    log = Log([RawRecord("log", 0, offset, -1, None, b"x") for offset in range(240)])
    offsets = Offsets(GroupStore(StoreIdentity("s", "here"), is_new=False))
    offsets.assign({HERE: Commit(0, "")})
    in_flight = InFlight(lambda _: None, DeadLetterLimit(1.0, 1_000))
    backpressure = Backpressure(log.pauses, offsets, FlowLimits(in_flight_bytes=100 * MOST))
    intake = Intake(log, convert_slowly, offsets, in_flight, backpressure, clock, 100 * MOST)
    list(intake.read(Polled([], {HERE: log.records}, {HERE: 240})))
    return log


@pytest.mark.parametrize("fast", [0, 1, 200])
def test_a_slow_record_is_noticed_before_the_next_one(fast):
    now_ms, converted = 0, 0

    def convert_slowly(record, _place=None):
        nonlocal now_ms, converted
        now_ms += CONVERT_MS if converted >= fast else 0
        converted += 1
        return convert(record)

    log = read_all(convert_slowly, lambda: now_ms)
    assert converted == fast + 1
    assert (log.position, log.sought) == (converted, 1)


def test_while_records_are_slow_the_clock_is_looked_at_for_each():
    now_ms = 0

    def convert_slowly(record, _place=None):
        nonlocal now_ms
        now_ms += 30
        return convert(record)

    read_all(convert_slowly, lambda: now_ms)
    assert CONVERT_MS <= now_ms < CONVERT_MS + 30
