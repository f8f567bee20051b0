"""The simulated API: what it allows a second, how long it takes, and when it is away."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

from pipeline.contracts.values import Delivered, Outcome, Retry
from pipeline.report.verdict import judge
from transforms.base import Kind

NEVER_MS = 10**9

THROTTLED_MS = 5
"""How long the gateway takes to throttle a call."""


class Quota(Protocol):
    """What the gateway allows."""

    def admits(self, now_ms: int) -> bool:
        """Count a call, and return whether it is allowed."""
        ...


@dataclass
class Window:
    """So many calls in each whole second, or minute."""

    calls: int
    length_ms: int = 1_000
    _number: int = -1
    _left: int = 0

    def admits(self, now_ms: int) -> bool:
        if (number := now_ms // self.length_ms) != self._number:
            self._number, self._left = number, self.calls
        self._left -= 1
        return self._left >= 0

    def left_ms(self, now_ms: int) -> int:
        """Return the time until the next window."""
        return self.length_ms - now_ms % self.length_ms


@dataclass
class Bucket:
    """So many calls a second, and so many at once."""

    per_second: float
    burst: float
    _tokens: float = -1.0
    _at_ms: int = 0

    def admits(self, now_ms: int) -> bool:
        if self._tokens < 0:
            self._tokens = self.burst
        self._tokens = min(self.burst, self._tokens + (now_ms - self._at_ms) * self.per_second / 1_000)
        self._at_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class ByChance:
    """A share of the calls is throttled for a while, whatever their rate."""

    share: float
    begin_ms: int
    end_ms: int
    chance: Random

    def admits(self, now_ms: int) -> bool:
        return not self.begin_ms <= now_ms < self.end_ms or self.chance.random() >= self.share


HANGS, CUT = 0, -1
"""What an outage may do with a call instead of answering it with a status: no answer ever, or the connection is cut after the call was sent."""


class Outage(NamedTuple):
    """A time in which every call of some operations fails."""

    begin_ms: int
    end_ms: int
    status: int = 503
    kinds: tuple[Kind, ...] = tuple(Kind)

    def outcome(self) -> tuple[Outcome, int]:
        """Return the outcome of a call, and the time that it takes, in ms."""
        if self.status == HANGS:
            return Delivered(), NEVER_MS
        if self.status == CUT:
            return Retry("ReadError", "the connection was cut", in_doubt=True), THROTTLED_MS
        return judge(self.status, {}, b""), THROTTLED_MS


@dataclass
class Service:
    """The API. `places` calls are served at the same time, where that is bounded; the others wait for a place."""

    quotas: Mapping[Kind, Quota] = field(default_factory=dict)
    outages: tuple[Outage, ...] = ()
    hint: Callable[[int], Mapping[str, str]] = lambda _: {}  # the headers of the answer to a throttled call
    places: int | None = None
    serving_ms: Callable[[Random, Kind, int, int], float] = lambda chance, _kind, _count, _now_ms: chance.uniform(
        30, 70
    )
    chance: Random = field(default_factory=lambda: Random(1))
    _free_ms: list[float] = field(default_factory=list)

    def call(self, kind: Kind, count: int, now_ms: int) -> tuple[Outcome, int]:
        """Return the outcome of a call that arrives now, and the time that it takes, in ms."""
        for outage in self.outages:
            if outage.begin_ms <= now_ms < outage.end_ms and kind in outage.kinds:
                return outage.outcome()
        if (quota := self.quotas.get(kind)) is not None and not quota.admits(now_ms):
            return judge(400, self.hint(now_ms), b'{"Code": "Throttling.User"}'), THROTTLED_MS
        serving_ms = self.serving_ms(self.chance, kind, count, now_ms)
        if self.places is None:
            return Delivered(), round(serving_ms)
        if len(self._free_ms) < self.places:
            begins_ms: float = now_ms
        else:
            begins_ms = max(now_ms, heapq.heappop(self._free_ms))
        heapq.heappush(self._free_ms, begins_ms + serving_ms)
        return Delivered(), round(begins_ms + serving_ms - now_ms)
