"""How many calls of one operation a second the API takes. Nothing is limited before the first call is throttled.

A throttled call lowers the rate to nine tenths of what was accepted. The rate then grows again along a cubic curve: fast at first, slowly near
the rate at which a call was throttled last, and ever faster beyond it (as TCP CUBIC does, RFC 9438, and the adaptive mode of the
AWS clients). So the rate stays near the limit of the API for most of the time, and a limit that was raised is found within a minute.
"""

from __future__ import annotations

from collections import deque
from math import log

from pipeline.contracts.retry import MOST_HINT_MS

LOWER = 0.9
HALF = 0.5
FEW_CALLS = 4
"""Where fewer calls than these were accepted since the rate was lowered, it is halved: it is far too high, or the API takes nothing for a while."""

REGAIN = 2.0
REGAIN_FIRST = 8.0
LONG_MS = 1_000
"""A rate that was halved doubles with each accepted call, until it is near the rate of the last throttled call. After a time in which all calls
were throttled, it begins with eight times as much."""

DOUBLES_MS = 500
DOUBLES_CALLS = 4
"""The time in which the rate doubles after the first throttled call: one second tells little about the limit of the API. It is longer where fewer calls
than these are sent in it."""

GROWS_MS = 10_000
GROWS_CALLS = 100
"""The time in which the rate reaches the rate of the last throttled call again. It is longer where fewer calls than these are sent in it."""

CALM_CALLS = 8
"""After so many accepted calls in a row, a rate of less than half of what the API took before it throttled at all, or below `SMALL`, doubles again:
the throttling may have passed. Each time that this is throttled again, the next try comes after twice as many, at most `MOST_CALM_CALLS`."""

MOST_CALM_CALLS = 128

SMALL = 10.0
"""In calls a second. From a rate below it the cubic curve takes minutes."""

FORGET_FACTOR = 10
FORGET_FIRST_FACTOR = 1_000
"""A rate that has grown to so many times the rate of the last throttled call, or of the first one, limits nothing any more."""

BURST_MS = 20
"""The time whose calls may be sent at once: the owner thread looks at its clock only once a turn."""

_SECOND_MS = 1_000
_ROUNDING = 1e-9


class CallRate:
    """The rate of one operation. The caller numbers the calls in the order in which they are sent."""

    def __init__(self, slowest_ms: int) -> None:
        """`slowest_ms` is the longest time between two calls."""
        self._floor = _SECOND_MS / slowest_ms
        self._throttled_at: float | None = (
            None  # the rate at which the last call was throttled; None: nothing is limited
        )
        self._base = 0.0  # the rate from which it grows
        self._grows_from_ms: int | None = None  # None until a call is accepted
        self._is_first = True  # only one rate was throttled so far
        self._usual = 0.0  # what was accepted in a second before calls were throttled
        self._calm_calls = CALM_CALLS  # after which the usual rate is tried
        # While a higher rate is tried: the rate and `_throttled_at` before.
        self._tried_from: tuple[float, float] | None = None
        self._after_call = 0  # the last call that was sent before the rate was lowered
        self._lowered_ms = 0
        self._throttling_ms = 0  # when it was lowered first since a call was accepted
        self._lowered = 0  # how often it was lowered since
        self._accepted = 0  # since the rate was lowered
        self._sent_ms: deque[int] = deque()  # the times of the calls of the last second
        self._throttled_ms: deque[int] = deque()  # and of its throttled calls
        self._tokens = 0.0
        self._at_ms = 0
        self._newest = 0  # the call that was sent last
        self.paused_until_ms = 0  # the API asked for it
        self.lowest: float | None = None  # the lowest rate since the start
        self.code = ""  # of the last throttled call

    def per_second(self, now_ms: int) -> float | None:
        """Return the rate; None if nothing is limited."""
        throttled_at = self._throttled_at
        if throttled_at is None or self._grows_from_ms is None:
            return None if throttled_at is None else self._base
        age_ms = now_ms - self._grows_from_ms
        if self._is_first:
            rate = _doubled(self._base, age_ms)
        else:
            grows_ms = max(GROWS_MS, GROWS_CALLS * _SECOND_MS / throttled_at)
            depth = (1 - LOWER) * throttled_at
            rate = max(self._base, throttled_at + depth * (age_ms / grows_ms - 1) ** 3)
        if rate > throttled_at * (FORGET_FIRST_FACTOR if self._is_first else FORGET_FACTOR):
            self._throttled_at = None
            return None
        return rate

    def allows(self, now_ms: int) -> bool:
        """Whether a call may be sent now."""
        if now_ms < self.paused_until_ms:
            return False
        if (rate := self.per_second(now_ms)) is None:
            return True
        since_ms = now_ms - max(self._at_ms, self.paused_until_ms)
        most = 1 + rate * BURST_MS / _SECOND_MS
        self._tokens = min(most, self._tokens + rate * max(0, since_ms) / _SECOND_MS)
        self._at_ms = now_ms
        return self._tokens >= 1 - _ROUNDING

    def sent(self, call: int, now_ms: int) -> None:
        """Note that a call is sent."""
        self._newest = call
        self._tokens -= 1
        self._sent_ms.append(now_ms)
        _forget_old(self._sent_ms, now_ms)

    def accepted(self, call: int, now_ms: int) -> None:
        """Note that the API accepted a call."""
        if self._throttled_at is None or call <= self._after_call:
            return
        self._accepted += 1
        if self._grows_from_ms is not None:
            self._try_usual(now_ms)
            return
        factor = REGAIN
        if self._accepted == 1 and self._lowered >= FEW_CALLS and now_ms - self._throttling_ms > LONG_MS:
            factor, self._is_first = REGAIN_FIRST, True  # while all calls are throttled, nothing tells a rate
        near = LOWER * self._throttled_at
        self._base = max(self._base, min(near, self._base * factor))
        if self._base >= near:
            self._grows_from_ms = now_ms

    def throttled(self, call: int, code: str, after_ms: int | None, now_ms: int) -> None:
        """Note that the API throttled a call. It may ask for a pause of `after_ms`."""
        self.code = code
        self._throttled_ms.append(now_ms)
        _forget_old(self._throttled_ms, now_ms)
        if after_ms is not None:
            self.paused_until_ms = max(self.paused_until_ms, now_ms + min(after_ms, MOST_HINT_MS))
        if call <= self._after_call:
            return  # it was sent before the rate was lowered
        rate = self.per_second(now_ms)
        if rate is None:
            self._throttled_at, self._is_first = max(self._floor, self._measured(now_ms)), True
            self._usual, self._calm_calls = max(self._usual, self._throttled_at), CALM_CALLS
            self._base = self._throttled_at * LOWER
        elif not self._accepted:
            self._base = rate * HALF
        else:
            before, measured = self._throttled_at or rate, min(rate, self._measured(now_ms))
            if self._is_first and self._tried_from is None:
                # The rate was growing so fast that the last second tells little again.
                measured = (measured + rate) / 2
            self._throttled_at = max(self._floor, before * HALF, measured)
            self._base = min(self._throttled_at * LOWER, rate * HALF if self._accepted < FEW_CALLS else rate)
            self._is_first = False
        if self._tried_from is not None:
            base, throttled_at = self._tried_from
            self._base, self._throttled_at = max(base, self._base), max(throttled_at, self._throttled_at or 0.0)
            self._calm_calls, self._tried_from = min(2 * self._calm_calls, MOST_CALM_CALLS), None
        if rate is None or self._accepted:
            self._throttling_ms, self._lowered = now_ms, 0
        self._lowered += 1
        self._base = max(self._floor, self._base)
        self.lowest = self._base if self.lowest is None else min(self.lowest, self._base)
        self._after_call, self._lowered_ms, self._accepted = self._newest, now_ms, 0
        self._grows_from_ms = None
        self._tokens, self._at_ms = min(1.0, (after_ms or 0) / _SECOND_MS), now_ms

    def _try_usual(self, now_ms: int) -> None:
        """Let the rate double from now on, if it is small or far below the usual one, and nothing was throttled for a while."""
        rate = self.per_second(now_ms)
        throttled_at = self._throttled_at
        if self._is_first or rate is None or throttled_at is None or self._accepted < self._calm_calls:
            return
        if rate < max(self._usual * HALF, SMALL):
            self._tried_from = min(rate, throttled_at), throttled_at
            self._base, self._grows_from_ms, self._is_first = rate, now_ms, True

    def _measured(self, now_ms: int) -> float:
        """Return the calls in a second that were not throttled: in the last second, or since the rate was lowered, if that is more.

        Calls without an answer count, since throttled calls are answered faster than others.
        """
        _forget_old(self._sent_ms, now_ms)
        _forget_old(self._throttled_ms, now_ms)
        since_ms = max(_SECOND_MS, now_ms - self._lowered_ms)
        return max(1, len(self._sent_ms) - len(self._throttled_ms), self._accepted * _SECOND_MS / since_ms)


def _doubled(base: float, age_ms: int) -> float:
    """Return the rate that a rate has come to if it doubled all the time, as `DOUBLES_MS` and `DOUBLES_CALLS` say."""
    small = DOUBLES_CALLS * _SECOND_MS / DOUBLES_MS  # below it the calls decide
    if base < small:
        # It doubles in DOUBLES_CALLS / rate seconds, which become fewer: 1/rate falls evenly.
        evenly = log(2) / (DOUBLES_CALLS * _SECOND_MS)
        small_after_ms = (1 / base - 1 / small) / evenly
        if age_ms < small_after_ms:
            return 1 / (1 / base - age_ms * evenly)
        base, age_ms = small, int(age_ms - small_after_ms)
    return base * float(2 ** min(age_ms / DOUBLES_MS, FORGET_FACTOR))


def _forget_old(times_ms: deque[int], now_ms: int) -> None:
    while times_ms and times_ms[0] <= now_ms - _SECOND_MS:
        times_ms.popleft()
