"""The supervisor of `run --workers N`: N worker processes of one consumer group. A halt of one worker stops all.

Each worker is spawned, not forked: a fork would copy open sockets, threads and the memory map of the store.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import NamedTuple

from pipeline.errors import Log2mqError, WorkerFailed
from pipeline.job.status import Status


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a worker that died is started again, and when the supervisor gives up. Times in seconds."""

    first_s: float = 1.0
    """The wait after the first death. It doubles with each further death."""
    most_s: float = 30.0
    """The longest wait."""
    steady_s: float = 60.0
    """The time after which a worker counts as healthy: its next death is a first one."""
    most_deaths: int = 5
    """The most deaths in a row, without a healthy time between them, after which a worker is started again."""


class WorkerMessage(NamedTuple):
    """A message of a worker to the supervisor: its status, its end (`exit_code` and `error`), or a line of its log (`line`)."""

    status: Status | None
    exit_code: int | None = None
    error: str = ""
    line: str = ""


WorkerTarget = Callable[[int, Connection], None]
"""The function of a worker process. Its arguments are the slot and the pipe to the supervisor. It must be picklable, since the process is spawned."""


@dataclass(slots=True)
class _Slot:
    number: int
    process: SpawnProcess | None = None
    pipe: Connection | None = None
    started_s: float = 0.0
    deaths: int = 0
    start_again_s: float = 0.0
    status: Status | None = None
    former: list[Status] = field(default_factory=list)  # the final statuses of dead processes of this slot
    is_done: bool = False


class Supervisor:
    """Starts workers, starts dead workers again with back-off, and stops all workers after a stop or a halt."""

    def __init__(
        self,
        target: WorkerTarget,
        count: int,
        on_status: Callable[[list[Status]], None],
        on_note: Callable[[str], None],
        policy: RestartPolicy = RestartPolicy(),
        *,
        on_line: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Start nothing yet. `on_status` gets `statuses` after each change, `on_note` a sentence about a start or a death, `on_line` a log line of a worker."""
        self._target = target
        self._context = multiprocessing.get_context("spawn")
        self._slots = [_Slot(number) for number in range(count)]
        self._on_status = on_status
        self._on_note = on_note
        self._on_line = on_line
        self._policy = policy
        self._is_stopping = False
        self._failure: Log2mqError | None = None

    def stop(self) -> None:
        """Ask all workers to finish and end. Safe in a signal handler."""
        self._is_stopping = True

    def kill(self) -> None:
        """Kill all workers. Safe in a signal handler."""
        for slot in self._slots:
            if slot.process is not None and slot.process.is_alive():
                slot.process.kill()

    @property
    def pids(self) -> list[int]:
        """The process IDs of the workers that are alive."""
        return [
            slot.process.pid
            for slot in self._slots
            if slot.process is not None and slot.process.is_alive() and slot.process.pid
        ]

    @property
    def statuses(self) -> list[Status]:
        """The latest status of every worker process, dead ones included."""
        return [status for slot in self._slots for status in [*slot.former, slot.status] if status is not None]

    def run(self) -> None:
        """Run until all workers have ended. The last call of `on_status` has their final statuses.

        Raises:
            Log2mqError: the error with which a worker halted (all others are stopped first), or `WorkerFailed`.
        """
        has_sent_stop = False
        try:
            while not all(slot.is_done for slot in self._slots):
                self._start_due()
                self._receive_all()
                if self._is_stopping and not has_sent_stop:
                    has_sent_stop = True
                    self._send_stop()
        finally:
            self.kill()
        self._on_status(self.statuses)
        if self._failure is not None:
            raise self._failure

    def _start_due(self) -> None:
        now_s = time.monotonic()
        for slot in self._slots:
            if slot.is_done or slot.process is not None or now_s < slot.start_again_s:
                continue
            if self._is_stopping:
                slot.is_done = True
                continue
            ours, theirs = self._context.Pipe(duplex=False)
            process = self._context.Process(
                target=self._target, args=(slot.number, theirs), name=f"log2mq-worker-{slot.number}"
            )
            with _sigint_blocked():
                process.start()
            theirs.close()
            slot.process, slot.pipe, slot.started_s = process, ours, now_s
            self._on_note(f"worker {slot.number} runs as process {process.pid}")

    def _receive_all(self) -> None:
        pipes = {slot.pipe: slot for slot in self._slots if slot.pipe is not None}
        if not pipes:
            time.sleep(0.1)
            return
        changes = [
            self._receive(pipes[pipe]) for pipe in wait(list(pipes), timeout=0.25) if isinstance(pipe, Connection)
        ]
        if any(changes) or not changes:
            self._on_status(self.statuses)

    def _receive(self, slot: _Slot) -> bool:
        """Apply one message of a worker, and return whether it changes the statuses."""
        assert slot.pipe is not None  # noqa: S101 - only slots with a pipe are waited for
        try:
            message: WorkerMessage = slot.pipe.recv()
        except (EOFError, OSError):
            self._handle_death(slot)
            return True
        if message.line:
            self._on_line(message.line)
            return False
        slot.status = message.status or slot.status
        if message.exit_code is None:
            return True
        slot.is_done = True
        self._close(slot)
        if message.exit_code and self._failure is None:
            self._failure = Log2mqError(*message.error.split("\n"))
            self._failure.exit_code = message.exit_code
        self._is_stopping = self._is_stopping or bool(message.exit_code)
        return True

    def _handle_death(self, slot: _Slot) -> None:
        """Start a worker again that died without a last message, or give up after too many deaths in a row."""
        lived_s = time.monotonic() - slot.started_s
        exit_code = self._close(slot)
        end = (
            f"was killed by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"left with exit code {exit_code}"
        )
        if slot.status is not None:
            slot.former.append(slot.status.after_crash())
            slot.status = None
        if self._is_stopping:
            slot.is_done = True
            return
        policy = self._policy
        slot.deaths = 1 if lived_s >= policy.steady_s else slot.deaths + 1
        if slot.deaths > policy.most_deaths:
            slot.is_done = True
            self._failure = self._failure or WorkerFailed(
                f"worker {slot.number} {end}, {slot.deaths} times in a row; giving up"
            )
            self._is_stopping = True
            return
        delay_s = min(policy.most_s, policy.first_s * 2 ** (slot.deaths - 1))
        slot.start_again_s = time.monotonic() + delay_s
        self._on_note(f"worker {slot.number} {end}; starting it again in {delay_s:.0f} s")

    def _close(self, slot: _Slot) -> int:
        assert slot.process is not None and slot.pipe is not None  # noqa: S101, PT018 - its pipe was read
        slot.pipe.close()
        slot.process.join(timeout=10)
        exit_code = slot.process.exitcode
        slot.process, slot.pipe = None, None
        return exit_code if exit_code is not None else 1

    def _send_stop(self) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.is_alive():
                slot.process.terminate()


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
