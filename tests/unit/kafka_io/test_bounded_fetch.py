"""A poll of kafka-python's own fetcher returns as many bytes as it may, and what is left stays where it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.consumer.subscription_state import SubscriptionState
from kafka.record.default_records import DefaultRecordBatchBuilder

from pipeline.kafka_io.bounded_fetch import BoundedFetcher, ReadBounds
from tests.support.examples import examples

KIB = 1 << 10


class Answer:
    """The part of a fetch response of one partition."""

    error_code, high_watermark = 0, 10_000
    aborted_transactions = diverging_epoch = preferred_read_replica = None

    def __init__(self, records):
        self.records = records


class Consumer:
    """A consumer whose fetches the test answers."""

    def __init__(self, partitions):
        self.keys = [TopicPartition("log", number) for number in range(partitions)]
        subscriptions = SubscriptionState("none")
        subscriptions.assign_from_user(self.keys)
        for each in self.keys:
            subscriptions.seek(each, 0)

        class Client:
            class _manager:  # noqa: N801 - a name of kafka-python
                _net = None

        self._fetcher = Fetcher(Client, subscriptions)
        BoundedFetcher.take_over(self, ReadBounds())

    def answer(self, key, sizes, codec):
        builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 31)
        for offset, (size, headers) in enumerate(sizes):
            builder.append(offset, 1_000, None, b"x" * size, [("name", b"content")] * headers)
        from kafka.consumer.fetcher import CompletedFetch

        self._fetcher._completed_fetches.append(CompletedFetch(key, 0, 12, Answer(bytes(builder.build())), None))

    def poll(self, most_bytes, most_records=500):
        self._fetcher.most_bytes = most_bytes
        found, _ = self._fetcher.fetched_records(most_records)
        return found


SIZES = st.lists(st.tuples(st.sampled_from([0, 10, 900, 20 * KIB]), st.integers(0, 3)), min_size=1, max_size=60)


@given(st.lists(SIZES, min_size=1, max_size=3), st.sampled_from([0, 1, 3, 4]), st.data())
@examples(times=0.5)
def test_all_records_arrive_once_and_in_order_whatever_each_poll_may_return(logs, codec, given_data):
    consumer = Consumer(len(logs))
    for key, sizes in zip(consumer.keys, logs, strict=True):
        consumer.answer(key, sizes, codec)
    read = {key: [] for key in consumer.keys}
    for _ in range(2 * sum(map(len, logs))):
        most_bytes, most_records = given_data.draw(st.integers(0, 60 * KIB)), given_data.draw(st.integers(1, 500))
        found = consumer.poll(most_bytes, most_records)
        records = [each for key in found for each in found[key]]
        costs = [len(each.value) + 7 * len(each.headers) for each in records]
        assert len(records) <= most_records
        assert sum(costs[:-1]) <= most_bytes
        if len(records) == most_records:
            assert consumer._fetcher.is_full
        for key in found:
            read[key] += found[key]
        if not records:
            break
    for key, sizes in zip(consumer.keys, logs, strict=True):
        assert [(each.offset, len(each.value)) for each in read[key]] == [
            (offset, size) for offset, (size, _) in enumerate(sizes)
        ]


@pytest.mark.parametrize("headers", [0, 400])
def test_small_records_and_their_headers_count_with_what_they_cost_in_memory(headers):
    consumer = Consumer(1)
    consumer.answer(consumer.keys[0], [(1, headers)] * 2_000, 4)
    [records] = consumer.poll(100 * KIB, 2_000).values()
    assert len(records) in ({2} if headers else range(190, 200))
    assert consumer._fetcher.is_full


def test_without_bounds_in_reach_a_poll_returns_what_kafka_python_returns():
    consumer = Consumer(2)
    for key in consumer.keys:
        consumer.answer(key, [(500, 0)] * 300, 4)
    assert {key: len(found) for key, found in consumer.poll(1 << 24).items()} == dict(
        zip(consumer.keys, (300, 200), strict=True)
    )
    assert consumer._fetcher.is_full
    assert {key: len(found) for key, found in consumer.poll(1 << 24).items()} == {consumer.keys[1]: 100}
    assert not consumer._fetcher.is_full
