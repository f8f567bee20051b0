"""What runs inside one worker process, and how a run reacts to signals."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from pipeline.config.load import load_source
from pipeline.errors import EXIT_INTERRUPTED, Log2mqError
from pipeline.observe.log_lines import set_up_logging
from pipeline.runtime.build import Hooks, Job
from pipeline.runtime.supervisor import WorkerMessage

SAME_WISH_S = 0.2


def on_stop_signals(
    stop: Callable[[], None], leave: Callable[[], None] = lambda: None, monotonic: Callable[[], float] = time.monotonic
) -> None:
    """SIGTERM and Ctrl-C ask for a stop; a second one leaves at once, after `leave`, with exit code 130.

    What comes with the first one is the same wish: some tools send their signal to the process and to its group. `monotonic` is a
    clock in seconds.
    """
    asked_s: list[float] = []

    def handle(_number: int, _frame: FrameType | None) -> None:
        now_s = monotonic()
        if asked_s and now_s - asked_s[0] < SAME_WISH_S:
            return
        if asked_s:
            leave()
            # Not sys.exit: whatever is being waited for must not be waited for.
            os.write(2, b"log2mq: left at once; what was unfinished will be read again\n")
            os._exit(EXIT_INTERRUPTED)
        asked_s.append(now_s)
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


@dataclass(frozen=True, slots=True)
class WorkerMain:
    """The entry of a worker process. Holds only what can be passed to a spawned process: paths and settings, no open thing."""

    path: Path
    log_format: str
    log_level: str

    def __call__(self, slot: int, pipe: Connection) -> None:
        """Run one job to its end, telling the supervisor where it stands. Never raises for what a user can cause."""
        told = SupervisorPipe(pipe)
        set_up_logging(self.log_format, self.log_level, told)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        environment: Mapping[str, str] = os.environ
        try:
            job = Job(
                load_source(self.path, environment),
                environment,
                Hooks(on_status=lambda each: told(WorkerMessage(each))),
                slot=slot,
            )
            with job:
                signal.signal(signal.SIGTERM, lambda _number, _frame: job.runner.stop())
                job.runner.run()
            told(WorkerMessage(None, 0))
        except Log2mqError as error:
            told(WorkerMessage(None, error.exit_code, str(error)))
            sys.exit(error.exit_code)


class SupervisorPipe:
    """What a worker says to its supervisor: snapshots, its end, and its log lines, which the supervisor writes, so that one process has the terminal.

    If the supervisor is gone, it leaves: nobody would restart, stop or count this worker.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()  # Kafka's threads log too

    def __call__(self, told: WorkerMessage) -> None:
        """Tell, and wait until the pipe has taken it."""
        with self._lock:
            try:
                self._pipe.send(told)
            except OSError:
                signal.raise_signal(signal.SIGTERM)

    def write(self, text: str, /) -> None:
        """Hand on one log line."""
        self(WorkerMessage(None, line=text))

    def flush(self) -> None:
        """Nothing is held back."""
