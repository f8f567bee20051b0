"""The sender threads. Each has a client of its own, sends one batch at a time, and returns the outcome as a value."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import NamedTuple, Self

from pipeline.contracts.interfaces import Reporter
from pipeline.contracts.values import Outcome, Unsent
from transforms.base import Kind


class _Work(NamedTuple):
    batch: object
    kind: Kind
    messages: Sequence[bytes]
    deadline_ms: int


_Inbox = SimpleQueue[_Work | None]
"""The queue of one thread's batches. None ends the thread."""


class _Done(NamedTuple):
    batch: object
    outcome: Outcome | Unsent | BaseException
    inbox: _Inbox


class _Caught:
    """A context manager that catches any exception, so that another thread can raise it."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return error is not None


class SenderThreads:
    """A small pool of threads. Only the calls run on them; the owner thread runs all methods."""

    def __init__(self, make_reporter: Callable[[], Reporter], threads: int, clock: Callable[[], int]) -> None:
        """Start `threads` threads. `make_reporter` is called here, on the owner thread, once for each.

        `clock` returns ms of the clock that the deadlines of `submit` use. It is called on the threads too.
        """
        self._clock = clock
        # The thread that finished last gets the next batch: its connection is the least likely to be closed.
        self._idle: list[_Inbox] = [SimpleQueue() for _ in range(threads)]
        self._inboxes = tuple(self._idle)
        self._done: SimpleQueue[_Done] = SimpleQueue()
        self._ready: list[_Done] = []
        with ExitStack() as stack:
            reporters = [self._new_reporter(make_reporter, stack) for _ in range(threads)]
            stack.pop_all()  # from here on each thread closes its own reporter
        self._threads = [
            threading.Thread(target=self._send, args=(reporter, inbox), name=f"sender-{number}", daemon=True)
            for number, (reporter, inbox) in enumerate(zip(reporters, self._inboxes, strict=True))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def idle(self) -> int:
        """The number of threads without a batch. A thread counts as busy until its outcome is collected."""
        return len(self._idle)

    def submit(self, batch: object, kind: Kind, messages: Sequence[bytes], deadline_ms: int) -> None:
        """Give a batch to an idle thread; `collect` returns its outcome with `batch`.

        The thread looks at the clock before it calls, and before each write: at `deadline_ms` or later it writes nothing more, and the outcome is `Unsent`.

        Raises:
            RuntimeError: no thread is idle. The caller must check `idle` first.
        """
        if not self._idle:
            raise RuntimeError("no sender thread is idle")
        self._idle.pop().put(_Work(batch, kind, messages, deadline_ms))

    def wait(self, timeout_s: float) -> bool:
        """Wait for an outcome, and return whether there is one to collect."""
        if not self._ready:
            try:
                self._ready.append(self._done.get(timeout=max(0.0, timeout_s)))
            except Empty:
                return False
        return bool(self._ready)

    def collect(self) -> list[tuple[object, Outcome | Unsent]]:
        """Return the outcomes since the last call with their batches, without waiting.

        Raises:
            BaseException: an exception that a reporter raised, against its contract. The next call returns the other outcomes.
        """
        try:
            while True:
                self._ready.append(self._done.get_nowait())
        except Empty:
            pass
        for place, done in enumerate(self._ready):
            if isinstance(done.outcome, BaseException):
                del self._ready[place]
                self._idle.append(done.inbox)
                raise done.outcome
        collected = [(done.batch, done.outcome) for done in self._ready if not isinstance(done.outcome, BaseException)]
        self._idle += [done.inbox for done in self._ready]
        self._ready.clear()
        return collected

    def close(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` seconds in all until each thread has finished its call and closed its client.

        Their outcomes can still be collected. A thread that does not finish in time goes on; it does not keep the process alive.
        """
        deadline_s = time.monotonic() + timeout_s
        for inbox in self._inboxes:
            inbox.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    def _send(self, reporter: Reporter, inbox: _Inbox) -> None:
        while (work := inbox.get()) is not None:
            outcome: Outcome | Unsent | None = None
            with _Caught() as caught:
                begun_ms, is_late = self._clock(), partial(self._is_over, work.deadline_ms)
                outcome = Unsent() if is_late() else reporter.report(work.kind, work.messages, is_late)
                if not isinstance(outcome, Unsent):
                    outcome = outcome._replace(took_ms=self._clock() - begun_ms)
            self._done.put(_Done(work.batch, outcome if outcome is not None else _error_of(caught), inbox))
        reporter.close()

    def _is_over(self, deadline_ms: int) -> bool:
        return self._clock() >= deadline_ms

    @staticmethod
    def _new_reporter(make_reporter: Callable[[], Reporter], stack: ExitStack) -> Reporter:
        reporter = make_reporter()
        stack.callback(reporter.close)
        return reporter


def _error_of(caught: _Caught) -> BaseException:
    return caught.error if caught.error is not None else TypeError("a reporter returned no outcome")
