"""What a topic may be, through the whole job: one of several, found by a pattern, grown, full of gaps, or gone before it was read."""

from __future__ import annotations

import io
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console

from pipeline.contracts.values import Partition
from pipeline.observe.summary import summary
from tests.support.jobs import command, wait_for


def paid(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


def numbers(made):
    return {int(biz.removeprefix("n")) for _, biz in made.events()}


def play(made, *steps, limit_s=180, **hooks):
    """Run the job; do each step once the condition before it holds, and stop after the last. Steps are conditions and actions in turn."""
    with made.job(**hooks) as job, ThreadPoolExecutor(1) as beside:

        def follow():
            try:
                for condition, action in zip(steps[::2], [*steps[1::2], lambda: None], strict=True):
                    wait_for(condition, "the next step", limit_s)
                    action()
            finally:
                job.runner.stop()

        following = beside.submit(follow)
        status = job.runner.run()
        following.result()
    return status


def run_to_the_end_without_lag(made):
    """Run until all is committed, and no lag is shown; return the last status."""
    lags = []
    ends = made.kafka.ends(made.topic)
    return play(
        made,
        lambda: made.is_committed(ends) and lags[-1:] == [dict.fromkeys(ends, 0)],
        on_status=lambda status: lags.append(status.lag),
    )


def test_several_topics_are_one_source(source, kafka):
    one, other = kafka.topic(2), kafka.topic(1)
    made = source(topic=one, kafka={"topics": f"[{one}, {other}]"})
    kafka.write(one, map(paid, range(20)))
    kafka.write(other, map(paid, range(15, 40)))
    ends = {each: end for topic in (one, other) for each, end in kafka.ends(topic).items() if end}
    total = made.run_until(lambda: made.is_committed(ends)).total
    assert (total.read, total.reported, total.duplicate) == (45, 40, 5)
    assert set(made.events().values()) == {1}


def test_topics_of_a_pattern_are_read_and_so_is_one_made_later(source, kafka):
    family = f"p-{uuid.uuid4().hex[:8]}"
    kafka.write(kafka.topic(name=f"{family}-a-log"), map(paid, range(10)))
    kafka.write(kafka.topic(name=f"{family}-a-other"), map(paid, range(90, 99)))
    made = source(
        topic=f"{family}-a-log",
        kafka={"topics": "null", "topic_pattern": f"^{family}-.*-log$", "metadata_max_age": "1s"},
    )

    def make_another():
        kafka.write(kafka.topic(name=f"{family}-b-log"), map(paid, range(10, 20)))

    play(made, lambda: numbers(made) == set(range(10)), make_another, lambda: numbers(made) >= set(range(20)))
    assert numbers(made) == set(range(20))


def test_a_partition_added_while_the_job_runs_is_read_from_its_beginning_even_with_start_latest(source, kafka):
    made = source(kafka={"start": "latest", "metadata_max_age": "3s"})
    old, added = Partition(made.topic, 0), Partition(made.topic, 1)
    kafka.write(made.topic, map(paid, range(5)))

    def grow():
        asking = KafkaAdminClient(bootstrap_servers=kafka.servers)
        asking.create_partitions({made.topic: 2})
        asking.close()
        kafka.write(made.topic, map(paid, range(10, 15)), partition=1)  # before the job has noticed the partition
        kafka.write(made.topic, map(paid, range(20, 23)), partition=0)

    total = play(made, lambda: made.is_committed({old: 5}), grow, lambda: made.is_committed({old: 8, added: 5})).total
    assert numbers(made) == {*range(10, 15), *range(20, 23)}
    assert total.read == 8


@pytest.mark.parametrize(("level", "taken"), [("read_committed", 5), ("read_uncommitted", 10)])
def test_aborted_records_are_passed_by_setting_and_the_commit_reaches_the_end(source, kafka, level, taken):
    made = source(kafka={"isolation_level": level})
    here = Partition(made.topic, 0)
    producer = KafkaProducer(bootstrap_servers=kafka.servers, transactional_id=f"{made.topic}-tx")
    producer.init_transactions()
    for begin, finish in ((0, producer.commit_transaction), (5, producer.abort_transaction)):
        producer.begin_transaction()
        for number in range(begin, begin + 5):
            producer.send(made.topic, paid(number))
        producer.flush()
        finish()
    producer.close()
    end = kafka.ends(made.topic)[here]
    assert end == 12  # ten records, and a marker behind each transaction
    status = run_to_the_end_without_lag(made)
    assert kafka.committed(made.group)[here].offset == end
    assert status.total.read == taken
    assert numbers(made) == set(range(taken))


def count_records(kafka, topic):
    reading = KafkaConsumer(
        bootstrap_servers=kafka.servers, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    here = TopicPartition(topic, 0)
    reading.assign([here])
    reading.seek_to_beginning(here)
    end, count = reading.end_offsets([here])[here], 0
    while reading.position(here) < end:
        count += sum(map(len, reading.poll(timeout_ms=200).values()))
    reading.close()
    return count


def test_gaps_that_compaction_left_neither_stall_the_commit_nor_leave_lag(source, kafka):
    made = source(
        topic=kafka.topic(1, cleanup_policy="compact", segment_ms=50, min_cleanable_dirty_ratio="0.01"),
        limits={"unfinished": 100},
    )
    for begin in range(0, 500, 50):
        kafka.write(made.topic, [(f"k{number % 7}".encode(), paid(number)) for number in range(begin, begin + 50)])
        time.sleep(0.1)  # the next record begins a new segment
    wait_for(lambda: count_records(kafka, made.topic) <= 200, "the broker to compact")
    status = run_to_the_end_without_lag(made)
    assert kafka.committed(made.group)[Partition(made.topic, 0)].offset == 500
    assert status.total.read == status.total.reported < 200
    assert set(range(493, 500)) <= numbers(made)


def test_what_retention_removed_halts_with_its_range_or_is_counted(source, kafka):
    made = source()
    kafka.write(made.topic, map(paid, range(10)))
    made.run_to_end()
    kafka.write(made.topic, map(paid, range(10, 20)))
    asking = KafkaAdminClient(bootstrap_servers=kafka.servers)
    asking.delete_records({TopicPartition(made.topic, 0): 15})
    asking.close()
    code, text = command("run", made.save())
    assert code == 3
    assert f"offsets 10 to 14 of {made.topic}:0 are gone" in text
    assert "set kafka.on_lost_offsets to continue" in text
    assert kafka.committed(made.group)[Partition(made.topic, 0)].offset == 10
    made.sections["kafka"]["on_lost_offsets"] = "continue"
    status = made.run_to_end()
    status.total.check()
    assert (status.total.lost_to_retention, status.total.read, status.total.reported) == (5, 5, 5)
    console = Console(file=io.StringIO(), width=100)
    console.print(summary(made.name, status))
    assert "gone before they were read (retention, or a truncation): 5 offsets" in console.file.getvalue()
