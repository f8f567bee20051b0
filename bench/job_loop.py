"""The whole job in one process over a topic: its CPU time, wall time and memory from the first poll to the last commit, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

from pipeline.config.load import load_source
from pipeline.runtime.build import Hooks, Job


def main() -> None:
    """Run until `count` records are read and finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--count", type=int, required=True)
    arguments = parser.parse_args()
    running = []

    def has_ended():
        return sum(partition.position for partition in running[0].offsets.owned.values()) >= arguments.count

    with Job(load_source(arguments.source, os.environ), os.environ, Hooks(has_ended=has_ended)) as job:
        running.append(job.runner)
        begun_cpu, begun = time.process_time(), time.monotonic()
        total = job.runner.run().total
        cpu, wall = time.process_time() - begun_cpu, time.monotonic() - begun
    if total.events_reported != arguments.count:
        sys.exit(f"{total.events_reported} of {arguments.count} events were reported")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    json.dump({"events": total.events_reported, "cpu_s": cpu, "wall_s": wall, "memory_bytes": memory}, sys.stdout)


if __name__ == "__main__":
    main()
