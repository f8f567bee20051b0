"""When a worker that ended is started again, and when its end is the end of all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a worker that died is started again, and when the supervisor gives up. Times in seconds."""

    first_s: float = 1.0
    """The wait after the first death. It doubles with each further death."""
    most_s: float = 30.0
    """The longest wait."""
    steady_s: float = 60.0
    """A worker counts as healthy this time after its first status: its next death is a first one."""
    most_deaths: int = 5
    """The most deaths in a row, without a healthy time between them, after which a worker is started again."""
    patience_s: float = 300.0
    """The time for which a worker bears an error that may pass, before it ends with it (`kafka.give_up_after`)."""
    store_patience_s: float = 120.0
    """The same for the dedup store (`dedup.give_up_after`)."""

    def waited_s(self, exit_code: int) -> float:
        """Return for how long a worker has waited that ends with this error, which may pass."""
        return self.store_patience_s if exit_code == StoreUnavailable.exit_code else self.patience_s


class Restarts:
    """The deaths in a row of one slot. The caller gives all times, in seconds of one clock that never goes back.

    A worker that waits for brokers at its start has sent no status, so it does not become healthy by waiting. Nor was it healthy while it
    waited for what it ended of.
    """

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._first_status_s: float | None = None
        self._finished = 0
        self._finished_s = float("-inf")
        self.is_failing = False
        """Whether the last worker ended with an error that may pass, and the next one has finished nothing yet."""
        self.deaths = 0
        self.due_s = 0.0
        """When the worker may be started again."""

    def reported(self, now_s: float, finished: int) -> None:
        """Note a status of the worker that runs. It has finished so many records since its start."""
        if self._first_status_s is None:
            self._first_status_s = now_s
        if finished > self._finished:
            self._finished, self._finished_s = finished, now_s
            self.is_failing = False

    def has_finished_since(self, since_s: float) -> bool:
        """Return whether a worker of this slot has finished a record since then."""
        return self._finished_s > since_s

    def died(self, now_s: float, *, passing: int | None = None) -> float | None:
        """Note the end of the worker, and return the wait until it is started again, or None if it is not.

        `passing` is the exit code of an error that may pass by itself, such as brokers that do not answer. None: it was no such error.
        """
        ill_s = now_s - (self._policy.waited_s(passing) if passing is not None else 0)
        is_first = self._first_status_s is not None and ill_s - self._first_status_s >= self._policy.steady_s
        self.deaths = 1 if is_first else self.deaths + 1
        self._first_status_s, self._finished = None, 0
        self.is_failing = passing is not None
        if self.deaths > self._policy.most_deaths:
            return None
        delay_s = min(self._policy.most_s, self._policy.first_s * (1 << (self.deaths - 1)))
        self.due_s = now_s + delay_s
        return delay_s


def is_everyones(slots: Collection[Restarts], now_s: float, waited_s: float) -> bool:
    """Return whether an error that may pass is not of one worker alone: all fail, and none has finished anything while it was waited for.

    `waited_s` is how long the worker has waited that ended now. What was under way when the wait began may have been finished in its first half.
    """
    since_s = now_s - waited_s / 2
    return all(each.is_failing and not each.has_finished_since(since_s) for each in slots)
