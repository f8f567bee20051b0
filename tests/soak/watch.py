"""Looks at the commits of the group and at the memory of the processes, once a second, while the soak runs."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from pathlib import Path

from tests.soak.background import Background
from tests.soak.evidence import MemorySample
from tests.soak.processes import now_ms
from tests.soak.world import World

EVERY_S = 1.0
_ANONYMOUS = re.compile(r"RssAnon:\s+(\d+) kB")


class Watch:
    """Two threads, because a broker that stands still keeps the first one waiting."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ended = threading.Event()
        self._threads = [Background("commits", self._look_at_commits), Background("memory", self._look_at_memory)]

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        for thread in self._threads:
            thread.finish(60)

    def _look_at_commits(self) -> None:
        for snapshot in self._world.cluster.snapshots():
            if snapshot is not None:
                self._world.record.snapshots.append(snapshot)
            if self._ended.wait(EVERY_S):
                return

    def _look_at_memory(self) -> None:
        while not self._ended.wait(EVERY_S):
            for command in self._world.commands():
                for pid in command.pids():
                    with suppress(OSError):
                        found = _ANONYMOUS.search(Path(f"/proc/{pid}/status").read_text())
                        if found is not None:
                            self._world.record.memory.append(
                                MemorySample(now_ms(), pid, command.name, int(found[1]) << 10)
                            )
