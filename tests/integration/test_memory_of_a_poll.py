"""What a poll takes of the memory of a process, whatever a compressed batch comes to."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from kafka import KafkaProducer, codec

MIB = 1 << 20
RECORDS = 160
GROWTH_MIB = 80
"""What the process may grow by while it reads 160 MiB: what is fetched (packed), what one poll returns, and what the allocator keeps."""

PROGRAM = """
import json, sys
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.source import KafkaSource

servers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
source = KafkaSource(
    KafkaSettings(bootstrap_servers=(servers,), topics=(topic,), group=f"{topic}-g"), client_id="member", environment={}
)

def peak():  # in KiB; `ru_maxrss` would begin with that of the parent
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))


before, read, largest = peak(), [], 0
while len(read) < count:
    for records in source.poll(100, {}, 4 << 20).records.values():
        largest = max(largest, sum(len(each.value or b"") for each in records))
        read += [(each.offset, len(each.value or b""), [list(map(str, header)) for header in each.headers]) for each in records]
print(json.dumps({"grown_mib": (peak() - before) / 1024, "largest": largest, "read": read}))
"""


def in_one_segment(content):
    return codec.zstd.ZstdCompressor(level=22).compress(bytes(content))


def in_one_block(content):
    return codec.snappy.compress(bytes(content))


def write(kafka, topic, compression, values):
    """Write the values as one batch."""
    with KafkaProducer(
        bootstrap_servers=kafka.servers,
        compression_type=compression,
        batch_size=1 << 30,
        linger_ms=60_000,
        max_request_size=1 << 30,
        delivery_timeout_ms=180_000,
    ) as producer:
        sent = [producer.send(topic, value, key=b"k") for value in values]
        producer.flush()
        assert [each.get(60).offset for each in sent] == list(range(len(values)))


def read(kafka, topic, count):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kafka.servers, topic, str(count)], capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_of_160_mib_is_read_in_polls_of_4_mib(kafka, compression):
    topic = kafka.topic(max_message_bytes=32 * MIB)
    write(kafka, topic, compression, [b"x" * MIB] * RECORDS)
    found = read(kafka, topic, RECORDS)
    assert [(offset, size) for offset, size, _ in found["read"]] == [(offset, MIB) for offset in range(RECORDS)]
    assert found["largest"] <= 5 * MIB
    assert found["grown_mib"] < GROWTH_MIB


@pytest.mark.parametrize("compression", ["gzip", "lz4", "zstd"])
def test_a_record_of_200_mib_is_passed_over(kafka, compression):
    topic = kafka.topic(max_message_bytes=32 * MIB)
    write(kafka, topic, compression, [b"small", b"x" * (200 * MIB), b"small"])
    first, large, last = (found := read(kafka, topic, 3))["read"]
    assert (first, last) == ([0, 5, []], [2, 5, []])
    assert large == [1, 0, [["log2mq-value-cut", str(str(200 * MIB).encode())]]]
    assert found["grown_mib"] < GROWTH_MIB


@pytest.mark.parametrize(("compression", "pack"), [("zstd", in_one_segment), ("snappy", in_one_block)])
def test_a_batch_of_160_mib_that_unpacks_only_as_a_whole_is_passed_over(kafka, monkeypatch, compression, pack):
    topic = kafka.topic(max_message_bytes=32 * MIB)
    monkeypatch.setattr(f"kafka.record.default_records.{compression}_encode", pack)
    write(kafka, topic, compression, [b"x" * MIB] * RECORDS)
    monkeypatch.undo()
    kafka.write(topic, [b"small"])
    found = read(kafka, topic, RECORDS + 1)
    assert [(offset, size) for offset, size, _ in found["read"]] == [
        (offset, 0 if offset < RECORDS else 5) for offset in range(RECORDS + 1)
    ]
    assert found["grown_mib"] < GROWTH_MIB


def test_a_record_too_large_to_be_read_becomes_a_dead_letter_and_the_job_goes_on(source, kafka):
    made = source(topic=kafka.topic(max_message_bytes=32 * MIB))
    good = [json.dumps({"type": "paid", "ts": 1_700_000_000, "user": f"u{n}", "no": f"n{n}"}).encode() for n in (0, 1)]
    write(kafka, made.topic, "zstd", [good[0], b"x" * (200 * MIB), good[1]])
    status = made.run_to_end()
    assert (status.total.reported, status.total.dead_lettered) == (2, 1)
    [letter] = kafka.read(made.dead)
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"k", None)
    assert headers["log2mq-reason"] == b"RECORD_TOO_LARGE"
    assert headers["log2mq-offset"] == b"1"
    assert headers["log2mq-value-cut"] == str(200 * MIB).encode()
