"""The cost of the embedded dedup store: CPU time a key by verb, in a new store and in one that knows a million keys.

    python bench/dedup.py [--known 1000000] [--count 200000] [--rounds 3]

It claims and confirms batches of 500 new keys, with a sync every 4,000 keys and a sweep every 5,000 (four a second at 20,000 keys a second). The
clock of the store is the benchmark's own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.contracts.values import Claim
from pipeline.dedup.clocks import Clocks
from pipeline.dedup.lmdb_store.store import LmdbStore

BATCH, SYNC_EVERY, SWEEP_EVERY = 500, 4_000, 5_000
BEGAN_MS = 1_700_000_000_000


class BenchClock:
    """A clock that the benchmark moves."""

    def __init__(self) -> None:
        self.now_ms = BEGAN_MS

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.now_ms += ms

    def __call__(self) -> int:
        """Return the time in ms."""
        return self.now_ms


class Timed:
    """CPU time by verb, and of the longest call of each its wall time and its CPU time, in seconds."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.longest: dict[str, float] = {}
        self.longest_cpu: dict[str, float] = {}

    @contextmanager
    def verb(self, name: str) -> Iterator[None]:
        """Time one call."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        used = time.process_time() - cpu
        self.cpu[name] = self.cpu.get(name, 0.0) + used
        self.longest[name] = max(self.longest.get(name, 0.0), time.perf_counter() - wall)
        self.longest_cpu[name] = max(self.longest_cpu.get(name, 0.0), used)


def report(store: LmdbStore, count: int, clock: BenchClock) -> Timed:
    """Claim and confirm `count` new keys, as the job does; return the times."""
    timed = Timed()
    for done in range(0, count, BATCH):
        claims = [Claim(os.urandom(16), bytes(8), os.urandom(8)) for _ in range(BATCH)]
        with timed.verb("claim"):
            store.claim(claims)
        with timed.verb("confirm"):
            store.confirm(claims)
        if done % SYNC_EVERY == 0:
            with timed.verb("sync"):
                store.sync()
        if done % SWEEP_EVERY == 0:
            clock.wait(250)
            store.renew()
            with timed.verb("sweep"):
                store.sweep()
    return timed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=int, default=1_000_000)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for known in (0, arguments.known):
        rounds = []
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory(prefix="log2mq-bench-") as folder:
                clock = BenchClock()
                store = LmdbStore(
                    Path(folder),
                    "bench",
                    keep_ms=10**9,
                    lease_ms=15_000,
                    max_bytes=8 << 30,
                    clocks=Clocks(clock, clock),
                )
                report(store, known, clock)
                rounds.append(report(store, arguments.count, clock))
                store.close()
        print(f"{known:,} keys known: CPU a key in us, least to most of {arguments.rounds} rounds")
        for verb in rounds[0].cpu:
            costs = sorted(each.cpu[verb] / arguments.count * 1e6 for each in rounds)
            longest = max(each.longest[verb] for each in rounds) * 1000
            busy = max(each.longest_cpu[verb] for each in rounds) * 1000
            print(
                f"  {verb:8} {costs[0]:5.2f} to {costs[-1]:5.2f}   the longest call took {longest:.1f} ms, the busiest {busy:.1f} ms of CPU"
            )


if __name__ == "__main__":
    main()
