"""A limit on the run time of foreign code: an alarm interrupts the code, wherever in Python it is.

The kernel's alarm also interrupts calls that block (a sleep, a socket) and C code that checks for signals (a regular expression that backtracks).
C code that never checks for signals cannot be interrupted from within its process.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` wraps its functions to look for an enumeration's member, 1.5 us a call
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

REPEAT_S = 0.02
"""Code that catches the interruption is interrupted again after this time, in seconds: long enough to clean up."""

_SLOW_REPEATS = 5
_FAST_REPEAT_S = 0.000_05
"""After `_SLOW_REPEATS` interruptions the alarm comes this often. One soon comes while the code is outside its `try` block."""

_LEAST_S = 0.001
_MAIN_THREAD = threading.main_thread().ident

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class TookTooLong(BaseException):
    """The call was interrupted. It is no `Exception`, so that foreign code does not catch it by accident."""


class TimeLimit:
    """Runs calls and interrupts those that take longer than `limit_s` seconds.

    Python handles signals only in the process's main thread, so calls in other threads are not limited. Between calls no alarm is
    set; after each call a timer and a SIGALRM handler of other code are set again. The limit costs 1.3 us a call.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def run(self, call: Callable[[Argument], Result], argument: Argument) -> Result:
        """Return the result of `call(argument)`. `call` is a function written in Python, and does not call `run` itself.

        Raises:
            TookTooLong: the call was interrupted.
        """
        if threading.get_ident() != _MAIN_THREAD:
            return call(argument)
        global _interruptions  # noqa: PLW0603 - the process has one main thread, and one alarm
        _interruptions = 0
        handler = _signal.getsignal(signal.SIGALRM)
        if handler is not _interrupt:
            _signal.signal(signal.SIGALRM, _interrupt)
        left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, self._limit_s, REPEAT_S)
        begun_s = time.monotonic() if left_s else 0.0
        try:
            return call(argument)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if handler is not _interrupt and callable(handler):  # the default handler would end the process
                _signal.signal(signal.SIGALRM, handler)
            if left_s:
                left_s = max(left_s - (time.monotonic() - begun_s), _LEAST_S)
                signal.setitimer(signal.ITIMER_REAL, left_s, interval_s)


_interruptions = 0


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Interrupt the code that `run` has called, never `run` itself or its callers: an alarm may come just before it is switched off."""
    global _interruptions  # noqa: PLW0603
    if frame is None or frame.f_code is _RUN:
        return
    while (frame := frame.f_back) is not None:
        if frame.f_code is _RUN:
            _interruptions += 1
            if _interruptions == _SLOW_REPEATS:
                signal.setitimer(signal.ITIMER_REAL, _FAST_REPEAT_S, _FAST_REPEAT_S)
            raise TookTooLong


_RUN = TimeLimit.run.__code__
