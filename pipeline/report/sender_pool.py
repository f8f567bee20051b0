"""The sender threads: each with a client of its own, handed one batch at a time, giving back outcomes as values."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import NamedTuple, Self

from pipeline.contracts.interfaces import Reporter
from pipeline.contracts.values import Outcome
from transforms.base import Kind


class _Work(NamedTuple):
    ticket: object
    kind: Kind
    messages: Sequence[bytes]


_Inbox = SimpleQueue[_Work | None]
"""What one thread is handed; None is to end."""


class _Done(NamedTuple):
    ticket: object
    outcome: Outcome | BaseException
    inbox: _Inbox


class _Caught:
    """Keeps whatever is raised inside it, for another thread to raise."""

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
    """A small pool of threads. Everything but the call itself happens on the owner's thread, methods included."""

    def __init__(self, make_reporter: Callable[[], Reporter], threads: int) -> None:
        """`make_reporter` is called here, in the owner's thread, once for each of the `threads`."""
        # Whoever finished last is handed the next batch: its stack and its connection are still warm.
        self._idle: list[_Inbox] = [SimpleQueue() for _ in range(threads)]
        self._inboxes = tuple(self._idle)
        self._done: SimpleQueue[_Done] = SimpleQueue()
        self._ready: list[_Done] = []
        with ExitStack() as stack:
            reporters = [self._made(make_reporter, stack) for _ in range(threads)]
            stack.pop_all()  # from here on each thread closes its own
        self._threads = [
            threading.Thread(target=self._send, args=(reporter, inbox), name=f"sender-{number}", daemon=True)
            for number, (reporter, inbox) in enumerate(zip(reporters, self._inboxes, strict=True))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def idle(self) -> int:
        """How many threads have nothing to do. An outcome that was not collected yet still occupies its thread."""
        return len(self._idle)

    def submit(self, ticket: object, kind: Kind, messages: Sequence[bytes]) -> None:
        """Hand a batch to an idle thread; its outcome comes back with `ticket`.

        Raises:
            RuntimeError: no thread is idle; the caller asks `idle` first.
        """
        if not self._idle:
            raise RuntimeError("no sender thread is idle")
        self._idle.pop().put(_Work(ticket, kind, messages))

    def wait(self, timeout_s: float) -> bool:
        """Wait for an outcome, and return whether there is one to collect. Returns at once when no batch is out."""
        if len(self._idle) < len(self._inboxes) and not self._ready:
            try:
                self._ready.append(self._done.get(timeout=max(0.0, timeout_s)))
            except Empty:
                return False
        return bool(self._ready)

    def collect(self) -> list[tuple[object, Outcome]]:
        """Return the outcomes that came in, without waiting.

        Raises:
            BaseException: what a reporter raised, which it promised not to: a fault that must not vanish.
                The other outcomes stay to be collected.
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
        collected = [(done.ticket, done.outcome) for done in self._ready if not isinstance(done.outcome, BaseException)]
        self._idle += [done.inbox for done in self._ready]
        self._ready.clear()
        return collected

    def close(self, timeout_s: float) -> None:
        """Let each thread finish the call it is in, for at most so many seconds in all, and close its client.

        Outcomes that came in can still be collected. A thread that does not finish in time is left; it does not keep
        the process alive.
        """
        until_s = time.monotonic() + timeout_s
        for inbox in self._inboxes:
            inbox.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _send(self, reporter: Reporter, inbox: _Inbox) -> None:
        while (work := inbox.get()) is not None:
            outcome: Outcome | None = None
            with _Caught() as caught:
                outcome = reporter.report(work.kind, work.messages)
            self._done.put(_Done(work.ticket, outcome if outcome is not None else _error_of(caught), inbox))
        reporter.close()

    @staticmethod
    def _made(make_reporter: Callable[[], Reporter], stack: ExitStack) -> Reporter:
        reporter = make_reporter()
        stack.callback(reporter.close)
        return reporter


def _error_of(caught: _Caught) -> BaseException:
    return caught.error if caught.error is not None else TypeError("a reporter returned no outcome")
