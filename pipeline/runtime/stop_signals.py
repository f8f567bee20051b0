"""The signals that end a process: the first ends it in order, the second at once. And the guard: a process whose orderly end hangs is ended."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from types import FrameType, MappingProxyType, TracebackType
from typing import Self

from pipeline.contracts.deadline import Deadline
from pipeline.errors import EXIT_INTERRUPTED

SAME_SIGNAL_S = 0.2
"""The time in which several signals count as one: some tools send a signal to the process and to its group."""

LOOK_S = 0.25
"""The time between two looks at the deadline."""

YIELD_S = 0.5
"""The longest time that the main thread stands aside at a further signal, for the thread that then ends the process."""


class StopSignals:
    """A context manager: inside it, SIGTERM and SIGINT stop the process, and nothing keeps it for longer than its deadline.

    Python runs a signal handler when the main thread next runs Python code. That may take long, while it waits for a name server, a disk or
    the lock of a store. So a thread reads the signals from a pipe into which the interpreter writes them at once (`signal.set_wakeup_fd`).
    It also looks at the deadline, and at the parent process. Only code that holds the interpreter's lock and never looks for signals
    keeps this thread from running.
    """

    def __init__(
        self,
        stop: Callable[[], None],
        deadline: Deadline,
        *,
        begin: Callable[[], None] = lambda: None,
        signals: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
        leave: Callable[[], None] | None = lambda: None,
        others: Mapping[signal.Signals, Callable[[], None]] = MappingProxyType({}),
        parent: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stop` is called in the main thread, at the first signal. `begin` is called then too, on the thread: it begins `deadline`.

        At the second signal `leave` is called, on the thread, and the process ends with exit code 130. None leaves further signals without
        effect. `others` are further signals: what each does is called on a thread of its own, and does not end the process.

        `parent` is the file descriptor that is readable when the parent process has ended; the process then gets a SIGTERM.
        `monotonic` is a clock in seconds.
        """
        self._stop = stop
        self._deadline = deadline
        self._begin = begin
        self._signals = signals
        self._leave = leave
        self._others = others
        self._watched = [] if parent is None else [parent]
        self._monotonic = monotonic
        self._first_s: float | None = None
        self._has_stopped = False
        self._is_gone = threading.Event()  # never set: the process ends first
        self._thread = threading.Thread(target=self._watch, name="stop-signals", daemon=True)

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._watched.append(self._reader)
        self._thread.start()
        self._former_writer = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._former = [(number, signal.signal(number, self._handle)) for number in self._signals]
        # A handler of its own keeps a signal from ending the process.
        self._former += [(number, signal.signal(number, lambda *_: None)) for number in self._others]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, former in self._former:
            signal.signal(number, former)
        signal.set_wakeup_fd(self._former_writer)
        os.close(self._writer)
        self._thread.join()
        os.close(self._reader)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._has_stopped:
            self._is_gone.wait(YIELD_S if self._leave is not None else 0)
        else:
            self._has_stopped = True
            self._stop()

    def _watch(self) -> None:
        while True:
            readable, _, _ = select.select(self._watched, [], [], LOOK_S)
            for each in readable:
                if each != self._reader:
                    self._watched.remove(each)
                    os.kill(os.getpid(), signal.SIGTERM)
                elif numbers := os.read(each, 64):
                    self._note(numbers)
                else:
                    return
            if self._deadline.is_over:
                _exit("log2mq: the end took too long; unfinished records will be redelivered", self._deadline.exit_code)

    def _note(self, numbers: bytes) -> None:
        """Note signals that arrived together."""
        for number, act in self._others.items():
            if (
                number in numbers
            ):  # on a thread of its own: a fault in it, or a terminal that takes nothing, must not end the guard
                threading.Thread(target=act, name=f"follows-{number.name}", daemon=True).start()
        if not set(self._signals).intersection(numbers):
            return
        now_s = self._monotonic()
        if self._first_s is None:
            self._first_s = now_s
            self._begin()
        elif self._leave is not None and now_s - self._first_s >= SAME_SIGNAL_S:
            self._leave()
            _exit("log2mq: ended at once; unfinished records will be redelivered", EXIT_INTERRUPTED)


def _exit(sentence: str, code: int) -> None:
    """End the process without waiting for threads and open parts, nor for whoever reads standard error."""
    with suppress(OSError, ValueError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{sentence}\n".encode())
    os._exit(code)
