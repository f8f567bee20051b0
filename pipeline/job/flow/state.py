"""The flow of one operation as a person sees it: what is under way, what slows it down and why, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from transforms.base import Kind


class Slowed(StrEnum):
    """Why batches of an operation wait although a sender is idle."""

    AWAY = "the API was away"
    ASKED = "it asked for a pause"
    THROTTLED = "it throttled calls"
    LIMIT = "report.flow"
    LATENCY = "calls were slow"
    LOSS = "answers were lost"
    RECOVERING = "few calls at first"


OPERATIONS: Mapping[Kind, str] = {Kind.EVENT: "events", Kind.USER: "users"}
"""The two operations of the API, as log2mq names them."""


class FlowState(NamedTuple):
    """The flow of one operation at one moment. Times are in ms; `until_ms` is one of the clock of `Dispatch`.

    `away_since_ms` is the time since which the API is away, or answers are lost; None while it answers.
    `why` is None while nothing slows the operation down. `rate` is in calls a second. `held_ms` says for how long batches had to wait in all,
    by reason. `lowest` is the lowest number of calls at the same time to which slow or lost answers have led, and `lowest_rate` the lowest rate
    to which throttled calls have led.
    """

    kind: Kind
    sending: int = 0
    limit: int = 0
    most: int = 0
    why: Slowed | None = None
    code: str = ""
    until_ms: int | None = None
    rate: float | None = None
    slow_ms: int = 0
    usual_ms: int = 0
    settings: str = ""
    held_ms: Mapping[Slowed, int] = {}
    lowest: int = 0
    lowest_rate: float | None = None
    away_since_ms: int | None = None

    def line(self, now_ms: int) -> str:
        """Return what slows the operation down, as a sentence without a full stop; "" where nothing does."""
        if self.why is None:
            return ""
        left_s = max(0, (self.until_ms or now_ms) - now_ms) / 1000
        name = OPERATIONS[self.kind]
        calls = f"{name}: {self.limit:,} of {self.most:,} calls at the same time"
        match self.why:
            case Slowed.AWAY:
                return f"{name}: Quick Audience is away ({self.code}), next try in {left_s:.0f} s"
            case Slowed.ASKED:
                return f"{name}: paused for {left_s:.0f} s, as Quick Audience asks ({self.code})"
            case Slowed.THROTTLED:
                return f"{name}: {_rate(self.rate or 0)} calls a second, since Quick Audience throttles ({self.code})"
            case Slowed.LIMIT:
                return f"{name}: as fast as {self.settings} allows"
            case Slowed.LATENCY:
                return f"{calls}, since with more a call took {self.slow_ms:,} ms instead of {self.usual_ms:,} ms"
            case Slowed.LOSS:
                return f"{calls}, since answers were lost ({self.code})"
            case Slowed.RECOVERING:
                return f"{calls}, and more with each answer"

    def summary(self) -> str:
        """Return how the operation was slowed down during the run; "" where it was not."""
        parts = [
            f"{seconds:,.0f} s ({why})" for why, held_ms in self.held_ms.items() if (seconds := held_ms / 1000) >= 1
        ]
        if not parts:
            return ""
        lowest = [f"down to {self.lowest:,} of {self.most:,} calls at the same time"] if self.lowest < self.most else []
        lowest += [] if self.lowest_rate is None else [f"down to {_rate(self.lowest_rate)} calls a second"]
        return "; ".join([f"{OPERATIONS[self.kind]} waited {', '.join(parts)}", *lowest])


def merged_flow(states: Sequence[FlowState]) -> FlowState:
    """Return the flow of one operation over several processes: what is counted is added up, and the first reason stands for all."""
    first = next((state for state in states if state.why is not None), states[0])
    held_ms: dict[Slowed, int] = {}
    for state in states:
        for why, time_ms in state.held_ms.items():
            held_ms[why] = max(held_ms.get(why, 0), time_ms)
    return first._replace(
        sending=sum(state.sending for state in states),
        limit=sum(state.limit for state in states),
        most=sum(state.most for state in states),
        rate=_sum(state.rate for state in states),
        lowest=sum(state.lowest for state in states),
        lowest_rate=_sum(state.lowest_rate for state in states),
        held_ms=held_ms,
        away_since_ms=min((state.away_since_ms for state in states if state.away_since_ms is not None), default=None),
    )


def _sum(rates: Iterable[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"  # noqa: PLR2004 - two digits are enough
