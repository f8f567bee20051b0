"""`run --workers N`: N processes of one consumer group under one supervisor, that live and halt as one.

Each worker is spawned, never forked: a fork would copy open sockets, threads and the store's memory map.
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
    """How long a worker that dies is started again. Times in seconds."""

    first_s: float = 1.0
    """The wait after a first death; it doubles with each further one."""
    most_s: float = 30.0
    steady_s: float = 60.0
    """A worker that lived this long is taken for healthy: its next death is a first one."""
    most_deaths: int = 5
    """Deaths in a row, without a steady life between them, that are forgiven."""


class WorkerMessage(NamedTuple):
    """What a worker tells the supervisor: a snapshot, or with `exit_code` its end, or with `line` a line of its log."""

    status: Status | None
    exit_code: int | None = None
    error: str = ""
    line: str = ""


WorkerMain = Callable[[int, Connection], None]
"""What a worker process runs: importable at top level, since it is spawned. Called with its slot and the pipe to the supervisor."""


@dataclass(slots=True)
class _Slot:
    number: int
    process: SpawnProcess | None = None
    pipe: Connection | None = None
    started_s: float = 0.0
    deaths: int = 0
    start_again_s: float = 0.0
    status: Status | None = None
    former: list[Status] = field(default_factory=list)  # the last words of this slot's dead processes
    is_done: bool = False


class Supervisor:
    """Starts workers, starts the dead again with back-off, and passes a stop or a halt on to all."""

    def __init__(
        self,
        worker_main: WorkerMain,
        count: int,
        on_status: Callable[[list[Status]], None],
        on_note: Callable[[str], None],
        patience: RestartPolicy = RestartPolicy(),
        *,
        on_line: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`on_status` is given `statuses`, as they come; `on_note` a sentence about a worker's death or restart; `on_line` a worker's log lines."""
        self._worker_main = worker_main
        self._context = multiprocessing.get_context("spawn")
        self._slots = [_Slot(number) for number in range(count)]
        self._on_status = on_status
        self._on_note = on_note
        self._on_line = on_line
        self._patience = patience
        self._stopping = False
        self._failure: Log2mqError | None = None

    def stop(self) -> None:
        """Ask every worker to finish and leave. Safe in a signal handler."""
        self._stopping = True

    def kill(self) -> None:
        """End every worker at once. Safe in a signal handler."""
        for slot in self._slots:
            if slot.process is not None and slot.process.is_alive():
                slot.process.kill()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers now alive."""
        return [
            slot.process.pid
            for slot in self._slots
            if slot.process is not None and slot.process.is_alive() and slot.process.pid
        ]

    @property
    def statuses(self) -> list[Status]:
        """The latest snapshot of every process there was, the dead included."""
        return [status for slot in self._slots for status in [*slot.former, slot.status] if status is not None]

    def run(self) -> None:
        """Run until all workers have left. The last call of `on_status` says what they did.

        Raises:
            Log2mqError: what made a worker halt (all others are stopped first), or `WorkerFailed`.
        """
        told_to_stop = False
        try:
            while not all(slot.is_done for slot in self._slots):
                self._start_due()
                self._listen()
                if self._stopping and not told_to_stop:
                    told_to_stop = True
                    self._tell_to_stop()
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
            if self._stopping:
                slot.is_done = True
                continue
            ours, theirs = self._context.Pipe(duplex=False)
            process = self._context.Process(
                target=self._worker_main, args=(slot.number, theirs), name=f"log2mq-worker-{slot.number}"
            )
            with _ctrl_c_held_back():
                process.start()
            theirs.close()
            slot.process, slot.pipe, slot.started_s = process, ours, now_s
            self._on_note(f"worker {slot.number} runs as process {process.pid}")

    def _listen(self) -> None:
        pipes = {slot.pipe: slot for slot in self._slots if slot.pipe is not None}
        if not pipes:
            time.sleep(0.1)
            return
        heard = [self._hear(pipes[pipe]) for pipe in wait(list(pipes), timeout=0.25) if isinstance(pipe, Connection)]
        if any(heard) or not heard:
            self._on_status(self.statuses)

    def _hear(self, slot: _Slot) -> bool:
        """Take in one thing that a worker tells, and return whether it changes what all of them come to."""
        assert slot.pipe is not None  # noqa: S101 - it was waited for
        try:
            told: WorkerMessage = slot.pipe.recv()
        except (EOFError, OSError):
            self._bury(slot)
            return True
        if told.line:
            self._on_line(told.line)
            return False
        slot.status = told.status or slot.status
        if told.exit_code is None:
            return True
        slot.is_done = True
        self._close(slot)
        if told.exit_code and self._failure is None:
            self._failure = Log2mqError(told.error)
            self._failure.exit_code = told.exit_code
        self._stopping = self._stopping or bool(told.exit_code)
        return True

    def _bury(self, slot: _Slot) -> None:
        """A worker died without a word: start it again, unless that has been tried often enough."""
        lived_s = time.monotonic() - slot.started_s
        exit_code = self._close(slot)
        how = (
            f"was killed by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"left with exit code {exit_code}"
        )
        if slot.status is not None:
            slot.former.append(slot.status.of_the_dead())
            slot.status = None
        if self._stopping:
            slot.is_done = True
            return
        patience = self._patience
        slot.deaths = 1 if lived_s >= patience.steady_s else slot.deaths + 1
        if slot.deaths > patience.most_deaths:
            slot.is_done = True
            self._failure = self._failure or WorkerFailed(
                f"worker {slot.number} {how}, {slot.deaths} times in a row; giving up"
            )
            self._stopping = True
            return
        delay_s = min(patience.most_s, patience.first_s * 2 ** (slot.deaths - 1))
        slot.start_again_s = time.monotonic() + delay_s
        self._on_note(f"worker {slot.number} {how}; starting it again in {delay_s:.0f} s")

    def _close(self, slot: _Slot) -> int:
        assert slot.process is not None and slot.pipe is not None  # noqa: S101, PT018 - it was listened to
        slot.pipe.close()
        slot.process.join(timeout=10)
        exit_code = slot.process.exitcode
        slot.process, slot.pipe = None, None
        return exit_code if exit_code is not None else 1

    def _tell_to_stop(self) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.is_alive():
                slot.process.terminate()


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Start a process inside this, and Ctrl-C waits for it until it can answer: a signal mask is inherited (signal(7)).

    Ctrl-C reaches the whole process group, and a worker that still loads its modules would print a traceback for it.
    """
    resource_tracker.ensure_running()  # starting it lifts the mask
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
