"""A wait for another process of the host that ends, and in which signals are served."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pipeline.contracts.interfaces import StoreWait
from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.errors import StoreUnavailable

FIRST_WAIT_S = 0.0001
MOST_WAIT_S = 0.01
"""The shortest and the longest time between two attempts. Another process writes for about a millisecond."""

SOON_S = 1.0
"""The time after which another process counts as one that stands still: the job then says for what it waits, and a stop ends the waiting."""

PAUSE_MS = 100
"""The time between two attempts after that."""

_log = logging.getLogger("log2mq.dedup")


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


def wait_asleep(_reason: str, pause_ms: int) -> bool:
    """Wait, and show nothing: a `StoreWait` for whoever has no job."""
    time.sleep(pause_ms / 1000)
    return True


class HolderWait:
    """Waits for a process of the host that has the store, or opens it. Such a process may stand still for any time (SIGSTOP, a frozen container)."""

    def __init__(
        self,
        give_up_after_ms: int = 120_000,
        wait: StoreWait = wait_asleep,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`wait` is asked after the first second. `sleep` takes seconds."""
        self._give_up_after_ms = give_up_after_ms
        self._wait = wait
        self._sleep = sleep
        self.has_given_up = False
        """Whether the last wait was too long, and nothing has been done since."""

    def end(self) -> None:
        """Wait for no process longer than `SOON_S` from now on: the store is about to be closed."""
        self._give_up_after_ms = min(self._give_up_after_ms, int(SOON_S * 1000))

    def until(self, attempt: Callable[[], bool], reason: Callable[[], str]) -> None:
        """Repeat an attempt until it returns True. Only the time asleep counts, as in `is_done_within`.

        After a wait that was too long, the next attempts are single ones until one succeeds: a job that ends asks several times.
        `reason` returns a sentence for a person: who holds what, and what to do.

        Raises:
            StoreUnavailable: `attempt` has not returned True for `dedup.give_up_after`, or must not be waited for any more. It may pass.
        """
        if self.has_given_up:
            is_done = attempt()
        else:
            soon_s = min(SOON_S, self._give_up_after_ms / 1000)
            is_done = is_done_within(attempt, soon_s, self._sleep) or self._is_done_late(attempt, reason())
        self.has_given_up = not is_done
        if not is_done:
            raise StoreUnavailable(reason(), may_pass=True)

    def _is_done_late(self, attempt: Callable[[], bool], reason: str) -> bool:
        text = f"{reason}; trying for {self._give_up_after_ms // 1000} s"
        waited_ms = int(SOON_S * 1000)
        if waited_ms < self._give_up_after_ms:
            log_event(_log, logging.WARNING, LogEvent.STORE_AWAY, text, reason=text)
        while waited_ms < self._give_up_after_ms and self._wait(text, PAUSE_MS):
            waited_ms += PAUSE_MS
            if attempt():
                text = f"the dedup store can be written again, after {waited_ms // 1000} s"
                log_event(_log, logging.WARNING, LogEvent.STORE_BACK, text, lasted_ms=waited_ms)
                return True
        return False
