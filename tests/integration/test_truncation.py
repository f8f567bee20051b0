"""A log that is truncated and grows again, as after an unclean leader election: nothing of the new log is passed over, whoever was told first.

The broker is killed, the folder of a partition is put back to what it was, and the broker starts again. Each start is a new leader epoch.
"""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager

import pytest
from kafka import errors

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Assigned, Commit, LostToRetention, Partition
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.source import KafkaSource
from tests.support.jobs import PATIENCE_S
from tests.support.kafka import TestKafka

KEPT, READ, AFTER = 10, 20, 40
"""Offsets: the first that differs, the position before the truncation, and the end of the new log."""


class Log:
    """A topic whose log is written, truncated, and written again."""

    def __init__(self, broker, folder, partitions):
        self.broker, self.folder = broker, folder
        self.kafka = TestKafka(broker.bootstrap_servers)
        self.topic = self.kafka.topic(partitions)
        self.partitions = [Partition(self.topic, number) for number in range(partitions)]
        self._write("kept", KEPT)
        for each in self.partitions:
            shutil.copytree(self._data(each), self._aside(each))
        self._write("removed", READ - KEPT)

    def truncate(self, *, grows=True):
        self.broker.stop_process(at_once=True)
        for each in self.partitions:
            shutil.rmtree(self._data(each))
            shutil.move(self._aside(each), self._data(each))
        self.broker.start()
        if grows:
            self.grow()

    def grow(self):
        self._write("new", AFTER - KEPT)

    def open(self, ranges=None, **more):
        settings = self.kafka.settings(self.topic, group="g", session_timeout="6s", **more)
        return KafkaSource(settings, client_id="member", environment={}, ranges=ranges)

    def _write(self, word, count):
        for each in self.partitions:
            self.kafka.write(self.topic, [word.encode()] * count, partition=each.partition)

    def _data(self, partition):
        return self.folder / "data" / f"{partition.topic}-{partition.partition}"

    def _aside(self, partition):
        return self.folder / f"aside-{partition.partition}"


@contextmanager
def log(tmp_path, partitions):
    with EmbeddedBroker(data=tmp_path) as broker:
        yield Log(broker, tmp_path, partitions)


class Reading:
    """Polls a source, and keeps what it returned."""

    def __init__(self, source):
        self.source = source
        self.events = []
        self.records = {}

    def poll(self):
        polled = self.source.poll(50, {})
        self.events += polled.events
        for partition, records in polled.records.items():
            self.records.setdefault(partition, []).extend(records)

    def poll_until(self, condition):
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until, (self.events, {each: len(found) for each, found in self.records.items()})
            self.poll()

    def has_read(self, partition, offset):
        return any(record.offset == offset for record in self.records.get(partition, ()))

    def new(self, partition):
        return [record.offset for record in self.records.get(partition, ()) if record.value == b"new"]


def test_a_truncation_is_told_whatever_the_partition_was_doing(tmp_path, monkeypatch):
    with log(tmp_path, 4) as made:
        quiet, paused, handed_back, is_asked_for = made.partitions
        ranges = FixedRanges(
            dict.fromkeys(made.partitions, (0, AFTER + 1))
        )  # a group would move the partitions meanwhile
        source = made.open(ranges, on_lost_offsets="continue")
        reading = Reading(source)
        reading.poll_until(lambda: all(reading.has_read(each, READ - 1) for each in made.partitions))
        for _ in range(20):  # answers without records come, too
            reading.poll()
        source.pauses.add(PauseReason.IN_FLIGHT, [paused])
        source.seek(handed_back, READ - 3)
        coordinator = source._client._consumer._coordinator
        fetch, outcomes = coordinator.fetch_committed_offsets, iter([errors.KafkaTimeoutError()])

        def fail_once(*places):
            if (error := next(outcomes, None)) is not None:
                raise error
            return fetch(*places)

        made.truncate()
        monkeypatch.setattr(coordinator, "fetch_committed_offsets", fail_once)
        reading.events.clear()
        for _ in range(3):
            source.lag()
            source._client.position(is_asked_for)
        reading.poll_until(lambda: all(reading.has_read(each, AFTER - 1) for each in made.partitions))
        for each in made.partitions:
            assert LostToRetention(each, KEPT, KEPT - 1, KEPT) in reading.events
            assert reading.new(each)[-(AFTER - KEPT) :] == list(range(KEPT, AFTER))
        begun = [each for event in reading.events if isinstance(event, Assigned) for each in event.start.items()]
        assert sorted(begun) == [(each, Commit(KEPT, "")) for each in made.partitions]
        assert not source.pauses.paused()
        source.close()


@pytest.mark.parametrize("position", [KEPT - 5, KEPT, KEPT + 5], ids=["before the cut", "at the cut", "behind the cut"])
def test_a_range_whose_log_was_cut_short_ends_there(tmp_path, position):
    """Before the mend it had no end: a truncation is found only by who has read what is gone, and the end of the range stayed."""
    with log(tmp_path, 1) as made:
        (here,) = made.partitions
        ranges, halted = FixedRanges({here: (0, READ)}), FixedRanges({here: (0, READ)})
        source = made.open(ranges, on_lost_offsets="continue")
        reading = Reading(source)
        reading.poll_until(lambda: reading.has_read(here, READ - 1))
        source.seek(here, position)
        made.truncate(grows=False)
        assert not source.ended()
        reading.events.clear()
        reading.poll_until(source.ended)
        assert LostToRetention(here, KEPT, READ - 1, KEPT) in reading.events
        assert source.lag() == {here: 0}
        assert ranges.bounds == {here: (0, KEPT)}
        source.close()
        halting = made.open(halted)
        with pytest.raises(
            SourceUnavailable, match=f"{made.topic}:0 ends at {KEPT}, before the end of the range {READ}"
        ):
            Reading(halting).poll_until(halting.ended)
        halting.close()


@pytest.mark.parametrize("is_short", [False, True], ids=["the log is longer than before", "the log is shorter"])
def test_a_truncation_while_no_job_ran_is_found_by_the_commit(tmp_path, is_short):
    with log(tmp_path, 1) as made:
        (here,) = made.partitions
        first = made.open()
        reading = Reading(first)
        reading.poll_until(lambda: reading.has_read(here, READ - 1))
        assert first.commit({here: Commit(READ, "books")})
        first.close()
        made.truncate(grows=not is_short)
        halting = made.open()
        with pytest.raises(
            SourceUnavailable, match=f"{made.topic}:0 was truncated to offset {KEPT} after it had been read to {READ}"
        ):
            Reading(halting).poll_until(lambda: False)
        halting.close()
        going_on = made.open(on_lost_offsets="continue")
        reading = Reading(going_on)
        loss = LostToRetention(here, KEPT, KEPT - 1, KEPT)
        reading.poll_until(lambda: loss in reading.events)
        if is_short:
            made.grow()
        reading.poll_until(lambda: reading.has_read(here, AFTER - 1))
        assert reading.new(here)[-(AFTER - KEPT) :] == list(range(KEPT, AFTER))
        assert not any(record.value == b"kept" for record in reading.records[here])
        going_on.close()
