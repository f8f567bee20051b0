"""The wait for a dedup store that does not answer: a call is repeated, with back-off, for `dedup.give_up_after`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import SystemRandom
from typing import TypeVar

from pipeline.contracts.deadline import monotonic_ms
from pipeline.contracts.interfaces import StoreWait
from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.contracts.retry import Backoff
from pipeline.errors import StoreUnavailable

StoreAnswer = TypeVar("StoreAnswer")

SYSTEM_RANDOM = SystemRandom()

FIRST_MS = 50
MOST_MS = 1_000
"""The longest time between two attempts. A stop is noticed after this time at the latest."""

LOG_AFTER_MS = 1_000
"""A shorter outage is not logged."""

_log = logging.getLogger("log2mq.dedup")


def do_not_wait(_reason: str, _pause_ms: int) -> bool:
    """Wait for no store: a `StoreWait` for whoever has no job."""
    return False


class StoreOutage:
    """Repeats calls that may be repeated, until the store answers. In an outage the store is not asked more often than the back-off allows."""

    def __init__(
        self,
        give_up_after_ms: int,
        wait: StoreWait,
        clock: Callable[[], int] = monotonic_ms,
        random: Callable[[], float] = SYSTEM_RANDOM.random,
    ) -> None:
        """`clock` returns ms of a clock that never goes back, `random` numbers from 0 (inclusive) to 1 (exclusive)."""
        self._give_up_after_ms = give_up_after_ms
        self._wait = wait
        self._clock = clock
        self._backoff = Backoff(FIRST_MS, MOST_MS, random)
        self._error: StoreUnavailable | None = None  # of the latest attempt; None while the store answers
        self._since_ms = 0
        self._next_ms = 0
        self._failures = 0
        self._is_logged = False

    @property
    def is_on(self) -> bool:
        """Whether the latest attempt had no answer."""
        return self._error is not None

    def call(self, ask: Callable[[], StoreAnswer]) -> StoreAnswer:
        """Return the answer of the store.

        Raises:
            StoreUnavailable: the store refuses; it has not answered for `dedup.give_up_after`; or it must not be waited for any more.
        """
        while True:
            if self._error is not None:
                self._wait_for_turn(self._error)
            began_ms = self._clock()
            try:
                answer = ask()
            except StoreUnavailable as error:
                if not error.may_pass:
                    raise
                self._note_failure(error, began_ms)
            else:
                if self._error is not None:
                    self._note_end()
                return answer

    def _wait_for_turn(self, error: StoreUnavailable) -> None:
        reason = f"{error}; trying for {self._give_up_after_ms // 1000} s"
        if not self._is_logged and self._clock() - self._since_ms >= LOG_AFTER_MS:
            self._is_logged = True
            log_event(_log, logging.WARNING, LogEvent.STORE_AWAY, reason, reason=reason)
        while (left_ms := self._next_ms - self._clock()) > 0:
            if not self._wait(reason, left_ms):
                raise error

    def _note_failure(self, error: StoreUnavailable, began_ms: int) -> None:
        if self._error is None:
            self._since_ms, self._failures = began_ms, 0
        self._error = error
        self._failures += 1
        now_ms = self._clock()
        self._next_ms = now_ms + self._backoff.delay_ms(self._failures)
        if now_ms - self._since_ms >= self._give_up_after_ms:
            raise error

    def _note_end(self) -> None:
        if self._is_logged:
            lasted_ms = self._clock() - self._since_ms
            text = f"the dedup store answers again, after {lasted_ms // 1000} s"
            log_event(_log, logging.WARNING, LogEvent.STORE_BACK, text, lasted_ms=lasted_ms)
        self._error, self._is_logged = None, False
