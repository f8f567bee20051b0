"""A bound on how long foreign code may run: an alarm that interrupts it, wherever in Python it is.

The kernel's alarm is taken because it also ends what blocks (a sleep, a socket) and what looks up from time to time (a regular expression that
blows up). What runs in C and never looks up cannot be interrupted from within its process.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` wraps its functions to look for an enumeration's member, 1.5 us a call
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

AGAIN_S = 0.02
"""Code that swallows the interruption is interrupted again after so long: long enough to tidy up."""

_PATIENT = 5
_HAMMER_S = 0.000_05
"""After some more, so often that one soon falls between catching the last and trying again."""

_LEAST_S = 0.001
_MAIN_THREAD = threading.main_thread().ident

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class TookTooLong(BaseException):
    """The call was interrupted. No `Exception`, so that foreign code does not catch it by accident."""


class TimeLimit:
    """Runs calls and interrupts those that take longer than `limit_s` seconds.

    Python hands signals to a process's main thread alone, so calls in any other thread are not limited. Between calls no alarm is
    set; a timer and a handler of SIGALRM that someone else had set are there again after each call. A call costs 1.3 us more.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def run(self, call: Callable[[Argument], Result], argument: Argument) -> Result:
        """Return what `call(argument)` returns. `call` is a function written in Python, and calls no `run` itself.

        Raises:
            TookTooLong: it was interrupted.
        """
        if threading.get_ident() != _MAIN_THREAD:
            return call(argument)
        global _interruptions  # noqa: PLW0603 - the process has one main thread, and one alarm
        _interruptions = 0
        handler = _signal.getsignal(signal.SIGALRM)
        if handler is not _interrupt:
            _signal.signal(signal.SIGALRM, _interrupt)
        left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, self._limit_s, AGAIN_S)
        begun_s = time.monotonic() if left_s else 0.0
        try:
            return call(argument)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if handler is not _interrupt and callable(handler):  # the default one would end the process
                _signal.signal(signal.SIGALRM, handler)
            if left_s:
                left_s = max(left_s - (time.monotonic() - begun_s), _LEAST_S)
                signal.setitimer(signal.ITIMER_REAL, left_s, interval_s)


_interruptions = 0


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Interrupt what a `run` has called, never `run` itself nor what is around it: an alarm may come in the moment before it is switched off."""
    global _interruptions  # noqa: PLW0603
    if frame is None or frame.f_code is _RUN:
        return
    while (frame := frame.f_back) is not None:
        if frame.f_code is _RUN:
            _interruptions += 1
            if _interruptions == _PATIENT:
                signal.setitimer(signal.ITIMER_REAL, _HAMMER_S, _HAMMER_S)
            raise TookTooLong


_RUN = TimeLimit.run.__code__
