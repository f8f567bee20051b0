"""The deadline of a job that ends: by when each step of its end must be over, and by when the process must be gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum

from pipeline.errors import EXIT_INTERRUPTED

MARGIN_MS = 3_000
"""The time after `stop.grace` in which a job commits, leaves its group and closes what it has open."""


class EndStep(Enum):
    """A step of the end of a job. Its value is the share of `stop.grace`, and the share of `MARGIN_MS`, after which it is over."""

    FINISH = (0.5, 0.0)
    """Finish what is in flight. Only a stop has this step, not an error."""
    ANSWERS = (1.0, 0.0)
    """Send nothing more, and wait for the calls and dead letters under way."""
    COMMIT = (1.0, 0.5)
    """Commit what is finished."""
    CLOSE = (1.0, 0.75)
    """Leave the group, and close clients and threads. The rest of the time is for the closing summary."""


def monotonic_ms() -> int:
    """Return ms of a clock that never goes back."""
    return time.monotonic_ns() // 1_000_000


class Deadline:
    """Bounds every wait of a job that ends. The loop begins the end and its steps; whatever waits asks `limit_ms`.

    While the job does not end, each wait has its own limit only, and a long one calls `while_waiting`. Any thread may ask, and any thread or signal handler
    may begin the end.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_ms) -> None:
        """`clock` returns ms of a clock that never goes back."""
        self._clock = clock
        self._grace_ms = 0
        self._began_ms: int | None = None
        self._beginning = threading.RLock()  # a signal handler may interrupt the thread that holds it
        self._step_ends_ms: int | None = None
        self.while_waiting: Callable[[], None] = lambda: None
        """Called several times a second by a long wait of the loop's own thread, and of no other. The loop keeps its lease so."""
        self.exit_code = EXIT_INTERRUPTED
        """The exit code of a process that does not end in time: that of the error which ended the job, if there is one."""

    def begin(self, grace_ms: int, step: EndStep) -> None:
        """Begin the end of the job with this step. A later call begins nothing anew: the time counts from the first one."""
        with self._beginning:
            if self._began_ms is None:
                self._grace_ms = grace_ms
                self._began_ms = self._clock()
                self.enter(step)

    def enter(self, step: EndStep) -> None:
        """Go on to another step. Its time is over at the same moment, whenever it begins."""
        self._step_ends_ms = self._at(*step.value)

    @property
    def has_begun(self) -> bool:
        """Whether the job ends."""
        return self._began_ms is not None

    @property
    def step_is_over(self) -> bool:
        """Whether the time of the present step is over. False while the job does not end."""
        return self._step_ends_ms is not None and self._clock() >= self._step_ends_ms

    def limit_ms(self, most_ms: int) -> int:
        """Return how long a wait may take that has the limit `most_ms` while the job does not end."""
        if self._step_ends_ms is None:
            return most_ms
        return max(0, min(most_ms, self._step_ends_ms - self._clock()))

    @property
    def is_over(self) -> bool:
        """Whether the process must be gone: the orderly end hangs."""
        return self._began_ms is not None and self._clock() >= self._at(1.0, 1.0)

    def _at(self, of_grace: float, of_margin: float) -> int:
        assert self._began_ms is not None  # noqa: S101 - the end has begun
        return self._began_ms + int(self._grace_ms * of_grace + MARGIN_MS * of_margin)
