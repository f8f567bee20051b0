"""One place for a worker process under the supervisor: the process that runs there, what it says, and what its predecessors have done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from queue import Queue
from typing import NamedTuple

from pipeline.contracts.log_events import LogEvent
from pipeline.job.status import Status
from pipeline.observe.job_view import WorkerView
from pipeline.observe.summary import merge
from pipeline.runtime.restart_policy import RestartPolicy, Restarts
from pipeline.runtime.supervisor_pipe import WorkerMessage
from pipeline.runtime.worker_notes import WorkerNote

WorkerTarget = Callable[[int, Connection], None]
"""The function of a worker process. Its arguments are the slot and the pipe to the supervisor. It must be picklable, since the process is spawned."""

GONE_LIMIT_S = 2.0
"""The longest wait for the end of a process that has closed its pipe; then it is killed. And for the end of the pipe of a process that is dead."""


HUNG_S = 30.0
"""The time after which a worker that tells nothing is named. It tells its status twice a second."""

HUNG_AGAIN_S = 60.0


class WorkerEnd(NamedTuple):
    """How a process ended. `code` is its exit code, or the negative number of the signal that killed it."""

    code: int

    def __str__(self) -> str:
        if self.code >= 0:
            return f"left with exit code {self.code}"
        has_name = -self.code in set(signal.Signals)  # most real-time signals have none
        return f"was killed by {signal.Signals(-self.code).name if has_name else f'signal {-self.code}'}"

    @property
    def is_early(self) -> bool:
        """Whether a process that did not tell its end had not finished. Only a process that has not begun yet is killed by SIGTERM."""
        return self.code not in {0, -signal.SIGTERM}


class FromWorker(NamedTuple):
    """A message, and where it is from: the slot, and the number of its process there. None: the process has closed its pipe."""

    slot: WorkerSlot
    life: int
    message: WorkerMessage | None


Inbox = Queue[FromWorker]
"""What the workers say, in order of arrival. It is bounded: a worker waits while the supervisor does not read."""


class WorkerSlot:
    """The process of one slot. A thread reads its pipe, because a message of a process that stands still may never be whole."""

    def __init__(self, number: int, policy: RestartPolicy) -> None:
        self.number = number
        self.restarts = Restarts(policy)
        self.is_done = False
        """Whether no process runs here any more, and none is to be started."""
        self.life = 0
        """The number of the process that runs here, or ran here last."""
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._status: Status | None = None
        self._dead_since_s: float | None = None
        self._told_s = 0.0  # when it told its last status
        self._hung_said_s: float | None = None
        self.is_replaced = False
        """Whether the process was asked to finish, so that another one takes its place."""
        self._former: Status | None = None  # the sum of the final statuses of earlier processes

    @property
    def pid(self) -> int | None:
        """The process ID of the worker, while it is alive."""
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def is_gone(self, now_s: float) -> bool:
        """Whether the process has been dead for `GONE_LIMIT_S` and its pipe is still open: a process that a plug-in started holds it."""
        if self._process is None or self._process.is_alive():
            self._dead_since_s = None
        elif self._dead_since_s is None:
            self._dead_since_s = now_s
        return self._dead_since_s is not None and now_s - self._dead_since_s >= GONE_LIMIT_S

    @property
    def has_begun(self) -> bool:
        """Whether a process runs here that has told a status, and was not asked to finish."""
        return self._process is not None and self._status is not None and not self.is_replaced

    @property
    def is_empty(self) -> bool:
        """Whether no process runs here."""
        return self._process is None

    @property
    def statuses(self) -> list[Status]:
        """The latest status of the worker, and the sum of those before it."""
        return [status for status in (self._former, self._status) if status is not None]

    @property
    def view(self) -> WorkerView:
        """What is known of the process that runs here."""
        return WorkerView(self.number, self.pid, self._status, max(0, self.life - 1))

    def start(self, context: SpawnContext, target: WorkerTarget, inbox: Inbox) -> None:
        """Start a process."""
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(self.number, theirs), name=f"log2mq-worker-{self.number}")
        with _sigint_blocked():
            process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        self.is_replaced = False
        self.life += 1
        threading.Thread(target=self._read, args=(ours, inbox), name=f"reads-worker-{self.number}", daemon=True).start()

    def note(self, status: Status, now_s: float) -> None:
        """Note a status of the worker."""
        self._status = status
        self._told_s, self._hung_said_s = now_s, None
        total = status.total
        self.restarts.reported(now_s, total.read - total.in_flight - total.returned)

    def told(self, event: LogEvent, text: str) -> WorkerNote:
        """Return a note about the worker. `text` goes on behind its name."""
        return WorkerNote(event, self.number, self.pid, text)

    def hung(self, now_s: float) -> str | None:
        """Return what is to be said now of a process that tells no status any more, once and then each minute; None for any other."""
        if self._status is None or self._process is None or now_s - self._told_s < HUNG_S:
            return None
        if self._hung_said_s is not None and now_s - self._hung_said_s < HUNG_AGAIN_S:
            return None
        self._hung_said_s = now_s
        return f"(process {self.pid}) has stood still for {now_s - self._told_s:.0f} s"

    def end(self, *, is_last: bool) -> WorkerEnd:
        """Note that the process has ended, and return how. Its counts stay. Unless it `is_last`, its records in flight are read again."""
        assert self._process is not None and self._pipe is not None  # noqa: S101, PT018 - its pipe was read
        self._process.join(GONE_LIMIT_S)
        self.kill()
        self._process.join(GONE_LIMIT_S)
        code = self._process.exitcode
        self._pipe.close()
        self._process = self._pipe = self._dead_since_s = None
        if self._status is not None and not is_last:
            self._former = merge([*self.statuses[:-1], self._status.former()])
            self._status = None
        return WorkerEnd(code or 0)

    def replace(self) -> None:
        """Ask the process to finish, so that another one takes its place."""
        self.is_replaced = True
        self.terminate()

    def terminate(self) -> None:
        """Ask the process to finish and end."""
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def kill(self) -> bool:
        """Kill the process, and return whether there was one. Any thread may do so."""
        process = self._process
        if process is None or not process.is_alive():
            return False
        process.kill()
        return True

    def _read(self, pipe: Connection, inbox: Inbox) -> None:
        life = self.life
        while True:
            try:
                message: WorkerMessage = pipe.recv()
            except (EOFError, OSError):
                break
            inbox.put(FromWorker(self, life, message))
        inbox.put(FromWorker(self, life, None))


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block SIGINT for a process that is started inside this, until it sets its own handler: a process inherits the signal mask (signal(7)).

    Ctrl-C reaches the whole process group. A worker that still loads its modules would print a traceback.
    """
    resource_tracker.ensure_running()  # its start resets the mask
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
