"""The job's memory while a million records wait during an outage of Quick Audience.

    python bench/waiting.py [--count 1000000] [--seconds 40]

The job runs as the command `log2mq run`. It reads as many records as its limits allow, holds them, and leaves the rest in Kafka.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from whole_job import KEYS, SOURCE, log

from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.producer import KafkaWriter
from pipeline.kafka_io.settings import KafkaSettings

NOBODY = 9
"""A port without a server: every connection is refused."""
PARTITIONS = 4


def peak_mebibytes(pid: int) -> float:
    """Return the peak memory of a process so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Print the peak, and the last line of the job's output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=40)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="log2mq-bench-"))
    try:
        with EmbeddedBroker() as broker:
            servers = broker.bootstrap_servers
            settings = KafkaSettings(bootstrap_servers=(servers,), topics=("bench-log",))
            with KafkaAdmin(settings, {}) as topics:
                topics.create("bench-log", PARTITIONS)
                topics.create("waiting-dead")
            with KafkaWriter(settings, client_id="bench", environment={}) as writer:
                writer.write("bench-log", ((None, log(number)) for number in range(arguments.count)))
            path = folder / "waiting.yaml"
            path.write_text(
                SOURCE.format(name="waiting", servers=servers, folder=folder, port=NOBODY), encoding="utf-8"
            )
            with (folder / "log").open("w+") as output:
                job = subprocess.Popen(
                    [sys.executable, "-m", "pipeline", "run", str(path), "--no-progress"],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **KEYS},
                )
                try:
                    time.sleep(arguments.seconds)
                    peak = peak_mebibytes(job.pid)
                finally:
                    job.kill()
                    job.wait()
                output.seek(0)
                lines = output.read().strip().splitlines()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(lines[-1] if lines else "the job printed nothing")
    print(f"{arguments.count:,} records waiting: at most {peak:.0f} MiB (aim: under 300 MB)")


if __name__ == "__main__":
    main()
