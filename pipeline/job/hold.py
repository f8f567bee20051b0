"""Messages that are held, because the API refuses them and nothing tells whether their content is at fault; and what the log says of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.contracts.log_events import LogEvent, log_event
from transforms.base import Kind

SAY_AFTER_MS = 5_000
"""A hold that ends sooner is not in the log."""

_NAMES = {Kind.EVENT: "event", Kind.USER: "user message"}

_log = logging.getLogger("log2mq.job")


class Hold(NamedTuple):
    """The messages of one operation that are refused without a contrast. Times are in ms of the clock of `Dispatch`.

    `until_ms` is the end of the hold; None if it has none. At its end the messages become dead letters, or, in an outage, the job halts.
    """

    kind: Kind
    messages: int
    code: str
    since_ms: int
    until_ms: int | None
    is_outage: bool

    def line(self, now_ms: int) -> str:
        """Return what is held, why, and what happens at the end, as a sentence without a full stop."""
        refused = (
            f"{self.messages:,} {named(self.kind, self.messages)} refused with {self.code}, no other accepted since"
        )
        if self.until_ms is None:
            return f"{refused}; held until one is accepted"
        left_s = max(0, self.until_ms - now_ms) // 1000
        end = "then the job halts" if self.is_outage else "then dead-lettered"
        return f"{refused}; held for {left_s:,} s more, {end} (report.unknown_hold)"


def named(kind: Kind, count: int = 1) -> str:
    """Return the name of messages of a kind."""
    return _NAMES[kind] if count == 1 else _NAMES[kind] + "s"


class HoldLog:
    """Says in the log when messages of an operation are held, when it turns out to be an outage, and when the hold is over."""

    def __init__(self) -> None:
        self._said: dict[Kind, bool] = {}  # whether it was said to be an outage

    def note(self, holds: Sequence[Hold], now_ms: int) -> None:
        """Note what is held now."""
        if not (holds or self._said):
            return
        for hold in holds:
            if now_ms - hold.since_ms >= SAY_AFTER_MS and self._said.get(hold.kind) is not hold.is_outage:
                self._said[hold.kind] = hold.is_outage
                log_event(
                    _log,
                    logging.WARNING,
                    LogEvent.HELD,
                    hold.line(now_ms),
                    kind=hold.kind,
                    messages=hold.messages,
                    code=hold.code,
                    lasted_ms=now_ms - hold.since_ms,
                )
        for kind in self._said.keys() - {hold.kind for hold in holds}:
            del self._said[kind]
            log_event(_log, logging.WARNING, LogEvent.HOLD_ENDED, f"no {named(kind)} is held any more", kind=kind)
