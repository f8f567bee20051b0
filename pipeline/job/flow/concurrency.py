"""How many calls of one operation are under way at the same time: as many as do not wait for each other inside the API.

The limit falls by a quarter where two of three answers of a round are slow, and grows by one a round where they are not (additive increase,
multiplicative decrease). At first, and after an outage, it is small, and doubles with each round in which it is reached (slow start). A limit
that is not needed is given back.

Slow is relative to the latency with few calls. That is learnt anew every half a minute, where all senders are busy: for a few rounds only few
calls are under way. So a latency that has another cause than the number of calls does not lower their number for long.
"""

from __future__ import annotations

from pipeline.job.flow.usual_latency import UsualLatency

FEW = 4
"""The limit of an operation that has sent nothing yet."""

SLOWER = 0.75
SLOW_SHARE = 2 / 3
"""The share of slow answers in a round above which the limit falls. Where calls wait for each other, almost all are slow; chance seldom makes so many."""

LEARNING_SHARE = 4
LEARNING_PART = 40
LEARNING_ANSWERS = 5
"""The usual latency is learnt for a fortieth of the time between two such moments, with a quarter of the calls, from at least so many answers. In
the first half of it the calls of before are still under way, also those of other processes, which learn at the same time."""

LEAST_ROUND = 6
"""The smallest number of answers that tell something about the latency."""


class Concurrency:
    """The limit of one operation. The caller numbers the calls in the order in which they are sent."""

    def __init__(self, least: int, most: int) -> None:
        self.latency = UsualLatency()
        self._least, self._most = float(least), float(most)
        self._limit = min(self._most, max(self._least, FEW))
        self._goal = self._most
        self.is_starting = self._limit < self._goal  # more calls with each answer, up to the goal
        self.is_after_loss = False  # lost answers lowered the limit last, not slow ones
        self.lowest = self._most  # the lowest limit to which slow or lost answers have led
        self._before_learning: float | None = None
        self._measure_from_ms: int | None = None
        self._learn_until_ms = 0
        self._newest = 0  # the call that was sent last
        self._most_sending = 0  # in this round
        self._most_used = 0  # since the usual latency was learnt
        self._begin(0)

    @property
    def limit(self) -> int:
        """The largest number of calls at the same time."""
        return int(self._limit)

    def sent(self, call: int, sending: int) -> None:
        """Note that a call is sent; `sending` are under way with it."""
        self._newest = call
        self._most_sending = max(self._most_sending, sending)
        self._most_used = max(self._most_used, sending)

    def accepted(self, call: int, messages: int, took_ms: int | None, now_ms: int) -> None:
        """Note that the API accepted a call. `took_ms` is None where nobody measured it."""
        if self.is_starting and self._limit < self._most_sending * 2:  # half of it is in use, as in TCP
            self._limit = min(self._goal, self._limit + 1)
            self.is_starting = self._limit < self._goal
        if took_ms is None or call <= self._after_call:
            return  # sent under an earlier limit
        if self._before_learning is not None:
            self._learn(messages, took_ms, now_ms)
            return
        if self.latency.is_due(now_ms):
            self._begin_learning(now_ms)
            return
        self._answers += 1
        self._slow += self.latency.add(messages, took_ms)
        if self._answers >= max(LEAST_ROUND, self.limit):
            self._end_round()

    def interrupted(self, *, is_load: bool) -> None:
        """Begin with few calls again after an outage. `is_load`: answers were lost, perhaps because too many calls were under way."""
        self._end_learning()
        reached = self._goal if self.is_starting else self._limit
        self._goal = max(self._least, reached / 2 if is_load else reached)
        if is_load:
            self.is_after_loss = True
            self.lowest = min(self.lowest, self._goal)
        self._limit = self._least
        self.is_starting = self._limit < self._goal
        self._begin(self._newest)

    def _end_round(self) -> None:
        is_slow = self._slow > SLOW_SHARE * self._answers
        self.latency.end_round(is_slow=is_slow)
        if is_slow and self._most_sending * 2 >= self.limit:
            self._limit = max(self._least, self._limit * SLOWER)
            self.lowest = min(self.lowest, self._limit)
            self.is_starting = self.is_after_loss = False
        elif self._is_full and not is_slow and not self.is_starting:
            self._limit = min(self._most, self._limit + 1)
        self._begin(self._newest)

    def _begin_learning(self, now_ms: int) -> None:
        """Learn the usual latency anew: from few calls, if the latency may come from the number of calls."""
        self._give_back()
        if not (self._is_full and self.latency.may_be_high):
            self.latency.learn(now_ms)
            return
        self._before_learning, self._limit = self._limit, max(self._least, self._limit / LEARNING_SHARE)
        self._learn_until_ms = now_ms + self.latency.period_ms() // LEARNING_PART
        self._measure_from_ms = (now_ms + self._learn_until_ms) // 2

    def _learn(self, messages: int, took_ms: int, now_ms: int) -> None:
        if self._measure_from_ms is not None:
            if now_ms >= self._measure_from_ms:
                self._measure_from_ms = None
                self.latency.drop_round()
                self._begin(self._newest)
            return
        self._answers += 1
        self.latency.add(messages, took_ms)
        if now_ms >= self._learn_until_ms and self._answers >= LEARNING_ANSWERS:
            self.latency.learn_from_round(now_ms)
            self._end_learning()

    def _end_learning(self) -> None:
        if self._before_learning is not None:
            self._limit, self._before_learning = self._before_learning, None
            self._begin(self._newest)

    def _give_back(self) -> None:
        """Lower a limit that was not needed for a while: should the calls hang, they must not take all senders."""
        needed = max(self._least, FEW, self._most_used * 2.0)
        if needed < self._limit:
            self._goal = self._goal if self.is_starting else self._limit
            self._limit, self.is_starting = needed, True
        self._most_used = 0

    @property
    def _is_full(self) -> bool:
        return self._most_sending >= self.limit

    def _begin(self, after_call: int) -> None:
        """Begin a round: it counts the answers to calls after this one."""
        self._after_call = after_call
        self._answers = self._slow = self._most_sending = 0
