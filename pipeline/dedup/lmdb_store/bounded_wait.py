"""A wait for another process that ends, and in which signals are served."""

from __future__ import annotations

from collections.abc import Callable

FIRST_WAIT_S = 0.0001
MOST_WAIT_S = 0.01
"""The shortest and the longest time between two attempts. Another process writes for about a millisecond."""


def is_done_within(attempt: Callable[[], bool], patience_s: float, sleep: Callable[[float], None]) -> bool:
    """Repeat an attempt until it returns True, with back-off. Return False if it has not within about `patience_s`.

    Only the time asleep counts: a process that was itself stopped meanwhile tries again before it gives up.
    """
    wait_s, waited_s = FIRST_WAIT_S, 0.0
    while not attempt():
        if waited_s >= patience_s:
            return False
        sleep(wait_s)
        waited_s += wait_s
        wait_s = min(2 * wait_s, MOST_WAIT_S)
    return True
