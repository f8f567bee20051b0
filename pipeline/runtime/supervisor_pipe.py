"""The messages of a worker to its supervisor: its status, its end, and its log lines."""

from __future__ import annotations

import threading
from collections import deque
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import NamedTuple

from pipeline.job.status import Status
from pipeline.observe.log_lines import STANDARD_ERROR

TAKE_LIMIT_S = 1.0
"""The longest wait until the pipe takes a message. A supervisor that reads nothing must not hold its workers."""

MOST_WAITING = 200
"""The most messages that wait for a supervisor that reads nothing. The oldest are dropped."""


class WorkerMessage(NamedTuple):
    """A message of a worker to the supervisor: its status, its end (`exit_code`, `error`, and whether that may pass), or a line of its log (`line`)."""

    status: Status | None
    exit_code: int | None = None
    error: str = ""
    line: str = ""
    may_pass: bool = False


class _Waiting(NamedTuple):
    message: bytes
    taken: threading.Event


class SupervisorPipe:
    """Sends the messages of a worker. Only the supervisor writes to the terminal, as long as it lives.

    A thread writes into the pipe, because that waits while the supervisor stands still.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._waiting: deque[_Waiting] = deque(maxlen=MOST_WAITING)
        self._changed = threading.Condition()
        self._is_stuck = False
        self._is_alone = False
        threading.Thread(target=self._send, name="supervisor-pipe", daemon=True).start()

    def __call__(self, message: WorkerMessage) -> None:
        """Send a message. Return when the pipe has taken it: then it arrives, even if this process is killed.

        It does not wait once the supervisor has taken nothing for a second, until it takes something again.
        """
        waiting = _Waiting(bytes(ForkingPickler.dumps(message)), threading.Event())
        with self._changed:
            self._waiting.append(waiting)
            self._changed.notify()
        if not self._is_stuck:
            self._is_stuck = not waiting.taken.wait(TAKE_LIMIT_S)

    def write(self, text: str, /) -> None:
        """Send one log line. A worker whose supervisor has ended writes it itself."""
        if self._is_alone:
            STANDARD_ERROR.write(text)
        else:
            self(WorkerMessage(None, line=text))

    def flush(self) -> None:
        """Do nothing: no line is buffered."""

    def _send(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                waiting = self._waiting.popleft()
            try:
                self._pipe.send_bytes(waiting.message)
            except OSError:
                self._is_alone = True
            self._is_stuck = False
            waiting.taken.set()
