"""The whole job compared with a bare loop of the same libraries, in one run on one machine. The figures are ratios.

    python bench/whole_job.py [--count 200000] [--rounds 3]

Both read the same topic of an embedded Kafka and report to the same plain sink, in processes of their own, one after the other.
The bare loop keeps no promise; the job keeps all of them. The job is measured at 0 ms and at 20 ms latency.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import orjson

from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.producer import KafkaWriter
from pipeline.kafka_io.settings import KafkaSettings

HERE = Path(__file__).parent
KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}

SOURCE = """
source: {name}
kafka: {{bootstrap_servers: "{servers}", topics: [bench-log]}}
decode: json
events:
  - when: {{type: order_paid}}
    event_code: pay_order
    event_source_code: shop-app
    event_time: $.ts | time('%Y-%m-%d %H:%M:%S', 'Asia/Shanghai')
    customer_id: $.user.id
    out_biz_id: $.order.no
    attributes:
      amount: $.order.amount
      title: $.order.items[0].title | truncate(60)
      channel: $.channel
dedup: {{path: {folder}/dedup}}
report: {{endpoint: "http://127.0.0.1:{port}", organization_id: org-0001, access_id: retailadvqa-cn-test}}
"""


def log(number: int) -> bytes:
    """Return one raw record of about 400 bytes."""
    return orjson.dumps(
        {
            "type": "order_paid",
            "ts": f"2026-11-11 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}",
            "channel": "app",
            "user": {"id": f"u{number % 50_000:08}", "phone": f"138{number % 10**8:08}", "level": 2},
            "order": {
                "no": f"20261111{number:012}",
                "amount": 199.5,
                "currency": "CNY",
                "items": [
                    {
                        "sku": f"sku-{number % 997}",
                        "title": "红色纯棉短袖T恤 男女同款 夏季新品",
                        "count": 1,
                        "price": 99.75,
                    }
                ],
            },
            "app": {"os": "android", "version": "8.12.0", "trace": f"{number:032x}"},
        }
    )


@contextmanager
def sink(latency_ms: int):
    """Run a sink in a process of its own; yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, HERE / "sink.py", "--port", str(port), "--latency-ms", str(latency_ms)], stdout=subprocess.PIPE
    )
    try:
        process.stdout.readline()
        yield port
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measure(*command: object) -> dict:
    """Run one of the two and return its figures."""
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, check=True, env={**os.environ, **KEYS}
    )
    return json.loads(done.stdout)


def main() -> None:
    """Print the figures and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="log2mq-bench-"))
    rows: dict[str, list[dict]] = {}
    try:
        with EmbeddedBroker() as broker:
            servers = broker.bootstrap_servers
            settings = KafkaSettings(bootstrap_servers=(servers,), topics=("bench-log",))
            with KafkaAdmin(settings, {}) as topics:
                topics.create("bench-log")
                for number in range(arguments.rounds):
                    for latency in (0, 20):
                        topics.create(f"bench-{number}-{latency}-dead")
            with KafkaWriter(settings, client_id="bench", environment={}) as writer:
                writer.write("bench-log", ((None, log(number)) for number in range(arguments.count)))
            for number in range(arguments.rounds):
                with sink(0) as port:
                    url = f"http://127.0.0.1:{port}/"
                    rows.setdefault("bare loop", []).append(
                        measure(
                            HERE / "bare_loop.py",
                            "--bootstrap-servers",
                            servers,
                            "--topic",
                            "bench-log",
                            "--count",
                            arguments.count,
                            "--url",
                            url,
                        )
                    )
                for latency in (0, 20):
                    with sink(latency) as port:
                        name = f"bench-{number}-{latency}"
                        path = folder / f"{name}.yaml"
                        path.write_text(
                            SOURCE.format(name=name, servers=servers, folder=folder / name, port=port), encoding="utf-8"
                        )
                        rows.setdefault(f"log2mq, {latency} ms", []).append(
                            measure(HERE / "job_loop.py", path, "--count", arguments.count)
                        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report(rows)


def report(rows: dict[str, list[dict]]) -> None:
    """Print medians, their spread, and ratios."""

    def cpu(each: dict) -> float:
        return each["cpu_s"] / each["events"] * 1e6

    print(f"{'':16} {'CPU us/event (least to most)':>32} {'events/s':>10} {'MiB':>6}")
    for name, runs in rows.items():
        costs = sorted(map(cpu, runs))
        rate = statistics.median(each["events"] / each["wall_s"] for each in runs)
        memory = max(each["memory_bytes"] for each in runs) / (1 << 20)
        print(
            f"{name:16} {statistics.median(costs):14.1f} ({costs[0]:.1f} to {costs[-1]:.1f}) {rate:18,.0f} {memory:6.0f}"
        )
    ratios = [cpu(job) / cpu(bare) for job, bare in zip(rows["log2mq, 0 ms"], rows["bare loop"], strict=True)]
    print(
        f"log2mq costs {statistics.median(ratios):.2f} times the bare loop's CPU an event (aim: at most 1.5); rounds: {', '.join(f'{each:.2f}' for each in ratios)}"
    )
    slower = [
        1 - (b["events"] / b["wall_s"]) / (a["events"] / a["wall_s"])
        for a, b in zip(rows["log2mq, 0 ms"], rows["log2mq, 20 ms"], strict=True)
    ]
    print(f"at 20 ms latency it loses {statistics.median(slower):.0%} of its rate (aim: less than 10 %)")


if __name__ == "__main__":
    main()
