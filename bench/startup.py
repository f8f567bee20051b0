"""The time that commands take, as a multiple of the time of `python -c pass` in the same run.

    python bench/startup.py [--rounds 10]

The figures are the least of the rounds, in milliseconds of CPU time and wall time. The commands alternate, so that a noisy machine is noisy
for all of them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "log2mq --help": ("-m", "pipeline", "--help"),
    "log2mq check": ("-m", "pipeline", "check", "examples/shop-app.yaml"),
    "log2mq check --sample": (
        "-m", "pipeline", "check", "examples/shop-app.yaml", "--sample", "examples/shop-app.sample.log",
    ),
    "log2mq run --help": ("-m", "pipeline", "run", "--help"),
}  # fmt: skip


def timed(words: tuple[str, ...]) -> tuple[float, float]:
    """Run Python once, and return its CPU time and wall time, in seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, words in COMMANDS.items():
            times[name].append(timed(words))
    least_cpu, least_wall = (min(each[place] for each in times["python -c pass"]) for place in (0, 1))
    for name, found in times.items():
        cpu, wall = (min(each[place] for each in found) for place in (0, 1))
        print(
            f"{name:22} CPU {cpu * 1000:5.0f} ms, {cpu / least_cpu:5.1f} times; by the clock {wall * 1000:5.0f} ms, {wall / least_wall:5.1f} times"
        )


if __name__ == "__main__":
    main()
