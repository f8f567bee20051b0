"""`log2mq run`, or another verb, as a process that a test watches and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.jobs import KEYS, PATIENCE_S, Source


def paid(number: int) -> bytes:
    """Return a record that the rules of a test's source file make one event of."""
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


class Command:
    """A verb of `log2mq` with a source file, its output in a file."""

    def __init__(self, made: Source, *options: str, verb: str = "run") -> None:
        quiet = ["--no-progress"] if verb == "run" else []
        self.log = made.folder / f"{verb}-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", verb, str(made.save()), *quiet, *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **KEYS},
            )

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text()

    def workers(self) -> list[int]:
        """Return the process IDs of the workers that it has started, the latest last."""
        return [int(line.rsplit(" ", 1)[1]) for line in self.text.splitlines() if "runs as process" in line]

    def stop(self) -> int:
        """End it in order, and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)

    def kill(self) -> None:
        """Kill it and its workers, whatever became of them."""
        for pid in self.workers():
            with suppress(OSError):  # it has ended, and perhaps another process has its number
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextmanager
def commands() -> Iterator[Callable[..., Command]]:
    """Yield a function that starts a `Command`. All are killed at the end."""
    started: list[Command] = []

    def start(made: Source, *options: str, verb: str = "run") -> Command:
        started.append(Command(made, *options, verb=verb))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            each.kill()
