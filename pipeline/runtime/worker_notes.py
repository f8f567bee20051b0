"""What a supervisor has to say of its workers: starts, deaths, and loops that stand still. Each is a line of the log."""

from __future__ import annotations

import logging
from typing import NamedTuple

from pipeline.contracts.log_events import LogEvent, log_event

_log = logging.getLogger("log2mq.workers")


class WorkerNote(NamedTuple):
    """A note about the worker with a number. `text` goes on behind its name."""

    event: LogEvent
    worker: int
    pid: int | None
    text: str

    def __str__(self) -> str:
        return f"worker {self.worker} {self.text}"


def log_note(note: WorkerNote) -> None:
    """Log a note. A start is no warning."""
    level = logging.INFO if note.event is LogEvent.WORKER_STARTED else logging.WARNING
    log_event(_log, level, note.event, str(note), worker=note.worker, worker_pid=note.pid)
