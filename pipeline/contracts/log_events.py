"""The events of note in the log: a closed set. Each is one line, a sentence for a person, and fields for a machine (`docs/logs.md`)."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Any


class LogEvent(StrEnum):
    """What a line of the log tells. A line that is none of these has no `event`."""

    START = "start"
    CONFIGURATION_WARNING = "configuration_warning"
    START_CHECK = "start_check"
    LISTENING = "listening"
    PROGRESS = "progress"
    PARTITIONS_GAINED = "partitions_gained"
    PARTITIONS_LOST = "partitions_lost"
    OFFSETS_LOST = "offsets_lost"
    PARTITION_STALLED = "partition_stalled"
    HEAD_STUCK = "head_stuck"
    HEAD_MOVES = "head_moves"
    OUTAGE_BEGUN = "outage_begun"
    OUTAGE_LASTS = "outage_lasts"
    OUTAGE_ENDED = "outage_ended"
    THROTTLED = "throttled"
    THROTTLING_ENDED = "throttling_ended"
    HELD = "held"
    HOLD_ENDED = "hold_ended"
    BROKERS_AWAY = "brokers_away"
    BROKERS_BACK = "brokers_back"
    DEAD_LETTERS_AWAY = "dead_letters_away"
    DEAD_LETTERS_BACK = "dead_letters_back"
    STORE_AWAY = "store_away"
    STORE_BACK = "store_back"
    REGISTRY_AWAY = "registry_away"
    REGISTRY_BACK = "registry_back"
    RELOAD = "reload"
    RELOADED = "reloaded"
    RELOAD_REFUSED = "reload_refused"
    RELOAD_UNCHANGED = "reload_unchanged"
    STATUS = "status"
    WORKER_STARTED = "worker_started"
    WORKER_ENDED = "worker_ended"
    WORKER_HUNG = "worker_hung"
    LOOP_STUCK = "loop_stuck"
    HALT = "halt"
    FATAL = "fatal"
    STOP = "stop"


def log_event(logger: logging.Logger, level: int, event: LogEvent, text: str, **fields: Any) -> None:
    """Log an event. `text` is the sentence, without a full stop; `fields` belong to it, as JSON can write them, and hold no identifier."""
    logger.log(level, "%s", text, extra={"event": event, "fields": fields})
