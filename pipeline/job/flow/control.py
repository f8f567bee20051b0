"""The flow of one operation: whether a call may begin now, and what each answer changes in that.

| the answer | what it changes |
| --- | --- |
| accepted | an outage is over; the limits grow as their rules say |
| throttled | the rate falls, once for all calls that were under way; a pause that the API asks for is kept; no outage begins |
| the API is away, or the answer was lost | an outage begins: nothing is sent but one probe after each back-off; then few calls at first |
| the content is refused | nothing here: the evidence is gathered elsewhere (`contrast`), which may let the operation rest like an outage |

A pause is at most ten minutes long, whatever the API asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Retry
from pipeline.job.flow.bounds import FlowBounds
from pipeline.job.flow.breaker import Breaker
from pipeline.job.flow.call_rate import CallRate
from pipeline.job.flow.concurrency import Concurrency
from pipeline.job.flow.shared_limit import SharedLimit
from pipeline.job.flow.state import FlowState, Slowed
from transforms.base import Kind


class RateLimits:
    """The limits of one operation that the source file sets: of its calls and of its messages a second."""

    def __init__(self, calls: Sequence[SharedLimit] = (), messages: Sequence[SharedLimit] = ()) -> None:
        self._calls, self._messages = calls, messages

    def allow(self, now_ms: int) -> bool:
        """Whether a call may begin. It may ask the dedup store."""
        allowed = [limit.allows(now_ms) for limit in (*self._calls, *self._messages)]  # each pays what is due
        return all(allowed)

    def sent(self, messages: int) -> None:
        """Count a call."""
        for limit in self._calls:
            limit.sent(1)
        for limit in self._messages:
            limit.sent(messages)

    def waiting(self, now_ms: int) -> str:
        """Return the settings that hold back the next call; "" if none does."""
        return " and ".join(limit.setting for limit in (*self._calls, *self._messages) if limit.is_waiting(now_ms))


class FlowControl:
    """The controller. Times are in ms of the clock that the caller passes in."""

    def __init__(self, kind: Kind, backoff: Backoff, bounds: FlowBounds, limits: RateLimits | None = None) -> None:
        self._kind = kind
        self._bounds = bounds
        self._limits = limits or RateLimits()
        self._breaker = Breaker(backoff)
        self._concurrency = Concurrency(bounds.least, bounds.most)
        self._rate = CallRate(backoff.most_ms)
        self._code = ""  # of the last outage
        self._away_since_ms = 0  # of the last outage
        self._held_ms: dict[Slowed, int] = {}
        self._looked_ms = 0
        self._held_by: Slowed | None = None
        self._share = bounds.most
        self.is_away = False  # the last failure was one of the destination, not a refusal
        self._under_way: set[int] = set()  # the calls that have no answer
        self._newest = 0  # the last call
        self._fresh_from = 0  # the first call after the last outage

    @property
    def sending(self) -> int:
        """The number of calls under way."""
        return len(self._under_way)

    # --- may a call begin ------------------------------------------------------------------------------------------------------

    def share_threads(self, *, is_shared: bool) -> None:
        """Say whether the other operation sends something, too."""
        self._share = self._bounds.share(is_shared=is_shared)

    def may_send(self, now_ms: int) -> bool:
        """Whether a call may begin, outages apart. Ask only when a batch waits: it may ask the dedup store."""
        # Calls that began before the end of an outage may hang: neither a probe nor what is sent after the outage waits for them.
        is_free = self.is_away or self._fresh < self._concurrency.limit
        return is_free and self.sending < self._share and self._rate.allows(now_ms) and self._limits.allow(now_ms)

    @property
    def is_resting(self) -> bool:
        """Whether only probes may be sent."""
        return self._breaker.next_ms() is not None

    def may_probe(self, now_ms: int) -> bool:
        """Whether a probe may be sent now."""
        return self._breaker.may_send(now_ms)

    def next_probe_ms(self) -> int | None:
        """Return the time of the next attempt while the API is away; None while it is not."""
        return self._breaker.next_ms() if self.is_away else None

    # --- what happens to calls -------------------------------------------------------------------------------------------------

    def sent(self, call: int, messages: int, now_ms: int) -> None:
        """Note that a call is sent. The caller numbers the calls in the order in which they are sent."""
        self._newest = call
        self._under_way.add(call)
        self._breaker.sent(call, now_ms)
        self._concurrency.sent(call, self.sending)
        self._rate.sent(call, now_ms)
        self._limits.sent(messages)

    def answered(self, call: int) -> None:
        """Note that the answer to a call arrived."""
        self._under_way.discard(call)

    def unsent(self, call: int) -> None:
        """Note that a call was not begun after all."""
        self._breaker.unsent(call)

    def accepted(self, call: int, messages: int, took_ms: int | None, now_ms: int) -> None:
        """Note that the API accepted a call."""
        self.answers()
        self._concurrency.accepted(call, messages, took_ms, now_ms)
        self._rate.accepted(call, now_ms)

    def answers(self) -> None:
        """Note that the API answers: an outage is over."""
        self._breaker.succeeded()
        if self.is_away:
            self._fresh_from = self._newest + 1
        self.is_away = False

    def throttled(self, call: int, retry: Retry, now_ms: int) -> None:
        """Note that the API throttled a call. The API is there, so an outage is over."""
        if self.is_away:
            self.answers()
        else:
            self._breaker.unsent(call)  # it tells nothing of the content that was refused before
        self._rate.throttled(call, retry.code, retry.after_ms, now_ms)

    def failed(self, call: int, retry: Retry, now_ms: int) -> None:
        """Note that the API is away, or that an answer was lost."""
        if call < self._fresh_from and not self.is_resting:
            return  # it began before the end of the last outage: it tells nothing of the present
        if not self.is_resting:
            self._concurrency.interrupted(is_load=retry.in_doubt)
        self._breaker.failed(call, now_ms, retry.after_ms, is_outage=True)
        self._code = retry.code
        if not self.is_away:
            self._away_since_ms = now_ms
        self.is_away = True

    def rest(self, call: int, now_ms: int, least_ms: int) -> None:
        """Let the operation rest because content is refused, at least so long. `call` was refused last."""
        self.is_away = False
        self._breaker.failed(call, now_ms, least_ms, is_outage=False)

    # --- what a person sees ----------------------------------------------------------------------------------------------------

    def look(self, now_ms: int, *, is_waiting: bool) -> None:
        """Count the time in which batches had to wait. `is_waiting`: one waits now."""
        if (before := self._held_by) is not None:
            self._held_ms[before] = self._held_ms.get(before, 0) + now_ms - self._looked_ms
        self._held_by, self._looked_ms = (self._why(now_ms) if is_waiting else None), now_ms

    @property
    def is_held(self) -> bool:
        """Whether a batch had to wait at the last look, for another reason than a missing sender."""
        return self._held_by is not None

    def state(self, now_ms: int) -> FlowState:
        """Return the state for a person."""
        latency, why = self._concurrency.latency, self._held_by
        if self.next_probe_ms() is not None:
            why = Slowed.AWAY
        return FlowState(
            self._kind,
            sending=self.sending,
            limit=min(self._concurrency.limit, self._share),
            most=self._share,
            why=why,
            code=self._code if why in {Slowed.AWAY, Slowed.LOSS} else self._rate.code,
            until_ms=self._breaker.next_ms() if why is Slowed.AWAY else self._rate.paused_until_ms,
            rate=self._rate.per_second(now_ms),
            slow_ms=round(latency.slow_ms),
            usual_ms=round(latency.usual_ms),
            settings=self._limits.waiting(now_ms),
            held_ms=dict(self._held_ms),
            lowest=min(self._share, int(self._concurrency.lowest)),
            lowest_rate=self._rate.lowest,
            away_since_ms=self._away_since_ms if self.is_away else None,
        )

    @property
    def _fresh(self) -> int:
        """The number of calls under way that began after the last outage."""
        return sum([call >= self._fresh_from for call in self._under_way])

    def _why(self, now_ms: int) -> Slowed | None:
        """Return why the next batch must wait."""
        if self.next_probe_ms() is not None:
            return Slowed.AWAY
        if now_ms < self._rate.paused_until_ms:
            return Slowed.ASKED
        if self._limits.waiting(now_ms):
            return Slowed.LIMIT
        if not self._rate.allows(now_ms):
            return Slowed.THROTTLED
        if self._concurrency.limit < self._share and self._fresh >= self._concurrency.limit:
            if self._concurrency.is_starting:
                return Slowed.RECOVERING
            return Slowed.LOSS if self._concurrency.is_after_loss else Slowed.LATENCY
        return None
