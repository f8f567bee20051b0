"""What the log says of conditions that last: an outage of the API, throttling, and a head that does not move. Begun, each minute, and ended."""

from __future__ import annotations

import logging
from enum import Enum, auto

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.job.flow.state import OPERATIONS, FlowState, Slowed
from pipeline.job.head_watch import Head
from pipeline.job.status import Status
from transforms.base import Kind

SAY_AFTER_MS = 5_000
"""An outage, or throttling, that ends sooner is not in the log."""

AGAIN_MS = 60_000
"""The time between two lines about the same condition."""

STUCK_MS = 60_000
"""The age from which a head counts as stuck."""

_THROTTLED = {Slowed.THROTTLED, Slowed.ASKED}

_log = logging.getLogger("log2mq.job")


class _Turn(Enum):
    BEGUN = auto()
    LASTS = auto()
    ENDED = auto()


class _Condition:
    """Whether a condition holds, and what is to be said of it now."""

    def __init__(self, say_after_ms: int) -> None:
        self._say_after_ms = say_after_ms
        self._said_ms: int | None = None
        self.since_ms = 0

    def note(self, since_ms: int | None, now_ms: int) -> _Turn | None:
        """Note since when the condition holds; None where it does not. Return what is to be said."""
        if since_ms is None:
            was_said, self._said_ms = self._said_ms is not None, None
            return _Turn.ENDED if was_said else None
        self.since_ms = since_ms
        if self._said_ms is None:
            if now_ms - since_ms < self._say_after_ms:
                return None
            self._said_ms = now_ms
            return _Turn.BEGUN
        if now_ms - self._said_ms < AGAIN_MS:
            return None
        self._said_ms = now_ms
        return _Turn.LASTS


class WatchLog:
    """Looks at each status, and logs what has begun, lasts or has ended."""

    def __init__(self) -> None:
        self._outages = {kind: _Condition(SAY_AFTER_MS) for kind in Kind}
        self._throttled = {kind: _Condition(SAY_AFTER_MS) for kind in Kind}
        self._throttled_since: dict[Kind, int] = {}
        self._head = _Condition(STUCK_MS)
        self._said_head: Head | None = None

    def note(self, status: Status, head: Head | None) -> None:
        """Note a status, and the oldest head. After a stop nothing is said: the summary tells the rest."""
        if status.stopping:
            return
        for flow in status.flows:
            self._note_outage(flow, status.at_ms)
            self._note_throttling(flow, status.at_ms)
        self._note_head(status, head)

    def _note_outage(self, flow: FlowState, now_ms: int) -> None:
        condition, operation = self._outages[flow.kind], OPERATIONS[flow.kind]
        turn = condition.note(flow.away_since_ms, now_ms)
        if turn is _Turn.ENDED:
            lasted_ms = now_ms - condition.since_ms
            text = f"{operation}: Quick Audience answers again, after {lasted_ms // 1000} s"
            log_event(_log, logging.WARNING, LogEvent.OUTAGE_ENDED, text, operation=operation, lasted_ms=lasted_ms)
        elif turn is not None:
            event = LogEvent.OUTAGE_BEGUN if turn is _Turn.BEGUN else LogEvent.OUTAGE_LASTS
            lasted_ms = now_ms - condition.since_ms
            text = f"{operation}: Quick Audience has been away for {lasted_ms // 1000} s ({flow.code}); nothing is lost, the job tries on"
            log_event(_log, logging.WARNING, event, text, operation=operation, code=flow.code, lasted_ms=lasted_ms)

    def _note_throttling(self, flow: FlowState, now_ms: int) -> None:
        kind, operation = flow.kind, OPERATIONS[flow.kind]
        if flow.why in _THROTTLED:
            since_ms: int | None = self._throttled_since.setdefault(kind, now_ms)
        elif flow.rate is None:
            since_ms = None
            self._throttled_since.pop(kind, None)
        else:  # no batch waits at this moment, but the rate is still limited
            since_ms = self._throttled_since.get(kind)
        turn = self._throttled[kind].note(since_ms, now_ms)
        if turn is _Turn.ENDED:
            text = f"{operation}: Quick Audience does not throttle any more"
            log_event(_log, logging.WARNING, LogEvent.THROTTLING_ENDED, text, operation=operation)
        elif turn is not None:
            text = flow.line(now_ms) or f"{operation}: Quick Audience throttles ({flow.code})"
            log_event(
                _log, logging.WARNING, LogEvent.THROTTLED, text, operation=operation, code=flow.code, rate=flow.rate
            )

    def _note_head(self, status: Status, head: Head | None) -> None:
        is_away = any(flow.away_since_ms is not None for flow in status.flows)  # then the log says so already
        if self._said_head is not None and (head is None or head[:2] != self._said_head[:2]):
            self._say_head(self._head.note(None, status.at_ms), status, self._said_head)
            self._said_head = None
        if head is None or is_away:
            return
        turn = self._head.note(head.since_ms, status.at_ms)
        if turn is not None:
            self._said_head = head
            self._say_head(turn, status, head)

    def _say_head(self, turn: _Turn | None, status: Status, head: Head) -> None:
        if turn is None:
            return
        topic, partition = head.partition
        place = {"topic": topic, "partition": partition, "offset": head.offset}
        lasted_ms = status.at_ms - head.since_ms
        if turn is _Turn.ENDED:
            text = f"{topic}:{partition} is past offset {head.offset}, which was unfinished for {lasted_ms // 1000} s"
            log_event(_log, logging.WARNING, LogEvent.HEAD_MOVES, text, **place, lasted_ms=lasted_ms)
            return
        reason = _reason(status)
        text = f"{topic}:{partition} stands at offset {head.offset}, unfinished for {lasted_ms // 1000} s: {reason}"
        log_event(_log, logging.WARNING, LogEvent.HEAD_STUCK, text, **place, lasted_ms=lasted_ms, reason=reason)


def _reason(status: Status) -> str:
    """Return what the oldest record most likely waits for."""
    elsewhere = f"{status.waiting_elsewhere:,} messages wait for the claims of another worker"
    reasons = [
        status.held,
        *(hold.line(status.at_ms) for hold in status.holds),
        "the dead-letter topic takes no records" if status.dead_letters_away else "",
        elsewhere if status.waiting_elsewhere else "",
        *(flow.line(status.at_ms) for flow in status.flows),
    ]
    return next(filter(None, reasons), "one of its messages has no final answer yet")
