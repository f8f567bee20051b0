"""How long calls take while few are under way, and whether they take much longer now."""

from __future__ import annotations

from statistics import median

SLOW_FACTOR = 2.0
SLOW_MS = 100
"""A call is slow if it takes twice as long as usual, and at least this much longer. Less is noise of the network and of this process."""

LEARN_EVERY_MS = 30_000
LEARN_EVERY_CALLS = 100
"""The usual latency is learnt anew every 30 s; where calls take long, after the time of a hundred calls one after the other."""

LEAST_SAMPLES = 3
"""The smallest number of calls of one size that tell something about it."""


class UsualLatency:
    """The latency of calls of each size: a call with a hundred messages may take longer than a call with one.

    Sizes whose number of messages has the same number of binary digits count as one.
    """

    def __init__(self) -> None:
        self._usual: dict[int, float] = {}
        self._round: dict[int, list[int]] = {}
        self._rounds: dict[int, list[float]] = {}  # the median of each round since the usual latency was learnt
        self._learnt_in = 0  # the period
        self._latest_ms = 0.0
        self.slow_ms = 0.0  # the median of the last round that was slow
        self.usual_ms = 0.0  # and what was usual for these calls

    def add(self, messages: int, took_ms: int) -> bool:
        """Add a call to the round, and return whether it was slow."""
        size = messages.bit_length()
        self._round.setdefault(size, []).append(took_ms)
        usual = self._usual.get(size)
        return usual is not None and took_ms > max(SLOW_FACTOR * usual, usual + SLOW_MS)

    def end_round(self, *, is_slow: bool) -> None:
        """End a round of calls, and begin another."""
        for size, took_ms in self._medians().items():
            self._latest_ms = took_ms
            self._rounds.setdefault(size, []).append(took_ms)
            usual = self._usual.setdefault(size, took_ms)
            if is_slow:
                self.slow_ms, self.usual_ms = took_ms, usual
        self._round.clear()

    @property
    def may_be_high(self) -> bool:
        """Whether the last round was so slow that its calls may have waited for each other."""
        return self._latest_ms > SLOW_MS

    def is_due(self, now_ms: int) -> bool:
        """Whether the usual latency should be learnt anew."""
        return self._period(now_ms) != self._learnt_in

    def learn(self, now_ms: int) -> None:
        """Take the latency of the rounds so far as the usual one."""
        self._usual |= {size: median(rounds) for size, rounds in self._rounds.items()}
        self._begin_period(now_ms)

    def learn_from_round(self, now_ms: int) -> None:
        """Take the latency of this round as the usual one: few calls were under way."""
        self._usual |= self._medians()
        self._begin_period(now_ms)

    def drop_round(self) -> None:
        """Forget the calls of this round."""
        self._round.clear()

    def period_ms(self) -> int:
        """Return the time between two moments of learning. They are the same in all processes of a host, which so learn together."""
        least_ms = int(LEARN_EVERY_CALLS * max(self._usual.values(), default=0))
        return LEARN_EVERY_MS << (least_ms // LEARN_EVERY_MS).bit_length()

    def _medians(self) -> dict[int, float]:
        return {size: median(samples) for size, samples in self._round.items() if len(samples) >= LEAST_SAMPLES}

    def _period(self, now_ms: int) -> int:
        return now_ms // self.period_ms()

    def _begin_period(self, now_ms: int) -> None:
        self._rounds.clear()
        self._round.clear()
        self._learnt_in = self._period(now_ms)
