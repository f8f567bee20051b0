"""When a worker that ended is started again, and when its end is the end of all."""

from __future__ import annotations

from dataclasses import dataclass


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


class Restarts:
    """The deaths in a row of one slot. The caller gives all times, in seconds of one clock that never goes back.

    A worker that waits for brokers at its start has sent no status, so it does not become healthy by waiting.
    """

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._first_status_s: float | None = None
        self._is_failing = False
        self.deaths = 0
        self.due_s = 0.0
        """When the worker may be started again."""

    def reported(self, now_s: float) -> None:
        """Note a status of the worker that runs."""
        if self._first_status_s is None:
            self._first_status_s = now_s

    def died(self, now_s: float, *, may_pass: bool) -> float | None:
        """Note the end of the worker, and return the wait until it is started again, or None if it is not.

        `may_pass` says that it ended with an error that may pass by itself, such as brokers that do not answer.
        """
        self.deaths = 1 if self._is_steady(now_s) else self.deaths + 1
        self._first_status_s = None
        self._is_failing = may_pass
        if self.deaths > self._policy.most_deaths:
            return None
        delay_s = min(self._policy.most_s, self._policy.first_s * (1 << (self.deaths - 1)))
        self.due_s = now_s + delay_s
        return delay_s

    def is_failing(self, now_s: float) -> bool:
        """Return whether the last worker ended with an error that may pass, and the next one is not healthy yet."""
        return self._is_failing and not self._is_steady(now_s)

    def _is_steady(self, now_s: float) -> bool:
        return self._first_status_s is not None and now_s - self._first_status_s >= self._policy.steady_s
