"""How long the members of a group stop for another one that dies, stops or comes back: the longest time without a record of their own.

    python bench/rebalance.py [--session 30]

Each record is written to a partition that a member keeps, and the next one when that one has arrived. The share is that of the session, which is
how long a member of an eager group stops for a dead one.
"""

from __future__ import annotations

import argparse
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.contracts.values import Assigned, Leaving, Partition, Revoked
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.producer import KafkaWriter
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.source import KafkaSource

PARTITIONS = 6
MEASURED_S = 12.0


class Member(threading.Thread):
    """A member that polls in a thread, as a job with nothing in flight does."""

    def __init__(self, settings: KafkaSettings, static_id: str | None) -> None:
        super().__init__(daemon=True)
        self.source = KafkaSource(settings, client_id="bench", environment={}, static_id=static_id)
        self.owned: set[Partition] = set()
        self.arrived: dict[Partition, int] = {}
        self._has_ended = threading.Event()
        self.start()

    def run(self) -> None:
        """Poll to the end."""
        while not self._has_ended.is_set():
            polled = self.source.poll(50, {})
            for event in polled.events:
                match event:
                    case Assigned(start):
                        self.owned |= start.keys()
                    case Leaving(partitions):
                        self.owned -= partitions
                        self.source.release(partitions)
                    case Revoked(partitions):
                        self.owned -= partitions
            for partition, records in polled.records.items():
                self.arrived[partition] = self.arrived.get(partition, 0) + len(records)

    def stop(self) -> None:
        """Leave the group."""
        self._has_ended.set()
        self.join()
        self.source.close()

    def die(self) -> None:
        """End without a word to the brokers."""
        self._has_ended.set()
        self.join()
        self.source._client._consumer._client.close()  # noqa: SLF001 - no member may die by its own will


def wait_until_shared(members: list[Member]) -> None:
    """Wait until each member has its share of the partitions."""
    while any(len(each.owned) != PARTITIONS // len(members) for each in members):
        time.sleep(0.1)


@contextmanager
def longest_gap(settings: KafkaSettings, member: Member) -> Iterator[list[float]]:
    """Measure from the begin of the block until `MEASURED_S` after its end."""
    has_ended, gaps = threading.Event(), [0.0]
    here = min(member.owned)

    def measure() -> None:
        with KafkaWriter(settings, client_id="bench", environment={}) as writer:
            while not has_ended.is_set():
                before, begun_s = member.arrived.get(here, 0), time.monotonic()
                writer.write(here.topic, [(None, b"{}")], partition=here.partition)
                while member.arrived.get(here, 0) == before and time.monotonic() - begun_s < 120:
                    time.sleep(0.005)
                gaps[0] = max(gaps[0], time.monotonic() - begun_s)

    thread = threading.Thread(target=measure)
    thread.start()
    yield gaps
    time.sleep(MEASURED_S)
    has_ended.set()
    thread.join()


def main() -> None:
    """Print the longest gap of a member for each thing that happens to another one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--session", type=int, default=30, help="kafka.session_timeout in seconds")
    session_s = parser.parse_args().session
    with EmbeddedBroker() as broker:
        for happens in ("nothing", "dies, another joins", "dies, and comes back (static)", "stops, and comes back"):
            topic = f"bench-{uuid.uuid4().hex[:8]}"
            settings = KafkaSettings(
                bootstrap_servers=(broker.bootstrap_servers,),
                topics=(topic,),
                group=f"{topic}-g",
                session_timeout=f"{session_s}s",  # type: ignore[arg-type]
            )
            with KafkaAdmin(settings, {}) as topics:
                topics.create(topic, PARTITIONS)
            names = ("one", "two") if "static" in happens else (None, None)
            first, second = Member(settings, names[0]), Member(settings, names[1])
            wait_until_shared([first, second])
            with longest_gap(settings, first) as gaps:
                if happens == "stops, and comes back":
                    second.stop()
                elif happens != "nothing":
                    second.die()
                if happens != "nothing":
                    third = Member(settings, names[1])
            print(f"another {happens}: {gaps[0]:.2f} s, {gaps[0] / session_s:.1%} of the session")
            first.stop()
            if happens != "nothing":
                third.stop()


if __name__ == "__main__":
    main()
