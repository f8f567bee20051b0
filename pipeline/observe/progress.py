"""Progress while the job runs: one live line on a terminal, otherwise a log line every ten seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.contracts.pauses import PauseReason
from pipeline.control_characters import one_line
from pipeline.job.status import Status

PLAIN_EVERY_S = 10.0
OLD_HEAD_MS = 30_000
"""The age from which the oldest record in flight is shown: younger ones wait for their batch, or for a short outage."""

_SAID_ELSEWHERE = {PauseReason.UNDECODABLE, PauseReason.ENDING}
"""Reasons of pauses for which the line has other words."""

_log = logging.getLogger("log2mq.progress")


class Progress:
    """Shows the latest snapshot. On a terminal it redraws one line; otherwise it logs a line every ten seconds."""

    def __init__(
        self,
        console: Console,
        *,
        live: bool,
        clock: Callable[[], float] = time.monotonic,
        remaining: Callable[[], int] | None = None,
    ) -> None:
        """`remaining` returns the number of records still to be read, if the end is known (a replay). Then the time left is shown too."""
        self._live = Live(Text("starting"), console=console, transient=True, auto_refresh=False) if live else None
        self._clock = clock
        self._remaining = remaining
        self._started_s = clock()
        self._last_s = self._started_s
        self._last_read = 0
        self._rate = 0.0
        self._logged_s = self._started_s
        self.latest: Status | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: Status) -> None:
        """Show a snapshot."""
        self.latest = status
        now_s = self._clock()
        total = status.total
        if now_s - self._last_s >= 1.0:
            rate = max(0, total.read - self._last_read) / (now_s - self._last_s)
            self._rate = rate if not self._rate else 0.6 * self._rate + 0.4 * rate
            self._last_s, self._last_read = now_s, total.read
        if self._live is not None:
            self._live.update(Text(self.line(status)), refresh=True)
        elif now_s - self._logged_s >= PLAIN_EVERY_S:
            self._logged_s = now_s
            log_event(_log, logging.INFO, LogEvent.PROGRESS, self.line(status), books=total.as_dict())

    def line(self, status: Status) -> str:
        """Return the state of the job in one line."""
        total = status.total
        parts = [
            f"read {total.read:,} ({self._rate:,.0f}/s)",
            f"reported {total.reported:,}",
            f"duplicate {total.duplicate:,}",
            f"filtered {total.filtered:,}",
            f"dead {total.dead_lettered:,}",
            f"in flight {total.in_flight:,}",
        ]
        if total.returned:
            parts.append(f"returned {total.returned:,}")
        if self._remaining is None:
            parts.append(f"lag {sum(status.lag.values()):,}")
        else:
            remaining = self._remaining()
            parts.append(
                f"to go {remaining:,}" + (f" (about {duration_text(remaining / self._rate)})" if self._rate > 0 else "")
            )
        if status.warnings:
            parts.append(f"warnings {sum(status.warnings.values()):,}")
        if status.waiting_elsewhere:
            parts.append(f"waiting for another worker {status.waiting_elsewhere:,}")
        parts += [line for flow in status.flows if (line := flow.line(status.at_ms))]
        parts += [hold.line(status.at_ms) for hold in status.holds]
        if paused := [
            f"{count:,} ({reason})" for reason, count in status.paused.items() if reason not in _SAID_ELSEWHERE
        ]:
            parts.append(f"paused partitions: {', '.join(paused)}")
        if status.held:
            parts.append(f"held: {status.held}")
        if status.head_age_ms >= OLD_HEAD_MS:
            parts.append(f"the oldest record in flight is {duration_text(status.head_age_ms / 1000)} old")
        if status.stopping:
            parts.append("stopping")
        return one_line(" · ".join(parts))


def duration_text(seconds: float) -> str:
    """Return a time for a person: `12 s`, `3 min 5 s`, `2 h 10 min`."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"
