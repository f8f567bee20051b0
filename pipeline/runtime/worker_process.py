"""The code of one worker process, and the signal handlers of a run."""

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
from pipeline.control_characters import one_line
from pipeline.errors import EXIT_INTERRUPTED, Log2mqError
from pipeline.observe.log_lines import set_up_logging
from pipeline.runtime.build import Hooks, Job
from pipeline.runtime.supervisor import WorkerMessage

SAME_SIGNAL_S = 0.2
"""The time in which several signals count as one."""


def on_stop_signals(
    stop: Callable[[], None], leave: Callable[[], None] = lambda: None, monotonic: Callable[[], float] = time.monotonic
) -> None:
    """Call `stop` at the first SIGTERM or SIGINT. At the second one call `leave` and end the process at once, with exit code 130.

    Signals within 0.2 s count as one: some tools send a signal to the process and to its group. `monotonic` is a clock in seconds.
    """
    signalled_s: list[float] = []

    def handle(_number: int, _frame: FrameType | None) -> None:
        now_s = monotonic()
        if signalled_s and now_s - signalled_s[0] < SAME_SIGNAL_S:
            return
        if signalled_s:
            leave()
            # Not sys.exit: it would wait for threads and for open parts.
            os.write(2, b"log2mq: ended at once; unfinished records will be redelivered\n")
            os._exit(EXIT_INTERRUPTED)
        signalled_s.append(now_s)
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


@dataclass(frozen=True, slots=True)
class WorkerMain:
    """The target of a worker process. It has only values that can be passed to a spawned process: a path, a name and settings.

    The worker of a slot is a static member of the consumer group: a worker that is started again takes the place of the dead one, so that the
    others need not wait for the end of the dead member's session. `instance` is the part of the static member ID that all slots share.
    """

    path: Path
    log_format: str
    log_level: str
    instance: str
    new_store: bool = False

    def __call__(self, slot: int, pipe: Connection) -> None:
        """Run one job to its end, and send its status to the supervisor. A `Log2mqError` is sent too, and ends the process with its exit code."""
        supervisor = SupervisorPipe(pipe)
        set_up_logging(self.log_format, self.log_level, supervisor)
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # Ctrl-C reaches the whole process group; the supervisor reacts to it
        environment: Mapping[str, str] = os.environ
        try:
            job = Job(
                load_source(self.path, environment),
                environment,
                Hooks(on_status=lambda each: supervisor(WorkerMessage(each))),
                slot=slot,
                static_id=f"{self.instance}-{slot}",
                new_store=self.new_store,
            )
            with job:
                signal.signal(signal.SIGTERM, lambda _number, _frame: job.runner.stop())
                job.runner.run()
            supervisor(WorkerMessage(None, 0))
        except Log2mqError as error:
            supervisor(WorkerMessage(None, error.exit_code, "\n".join(map(one_line, error.lines))))
            sys.exit(error.exit_code)


class SupervisorPipe:
    """Sends the messages of a worker to its supervisor: its status, its end, and its log lines. Only the supervisor writes to the terminal.

    If the supervisor has ended, the worker stops: nothing would restart, stop or count it.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()  # Kafka's threads log too

    def __call__(self, message: WorkerMessage) -> None:
        """Send a message, and wait until the pipe has taken it."""
        with self._lock:
            try:
                self._pipe.send(message)
            except OSError:
                signal.raise_signal(signal.SIGTERM)

    def write(self, text: str, /) -> None:
        """Send one log line."""
        self(WorkerMessage(None, line=text))

    def flush(self) -> None:
        """Do nothing: no line is buffered."""
