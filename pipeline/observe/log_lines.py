"""Log lines on standard error: plain for a person, or one JSON object a line for a machine. Times are UTC."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Protocol

from pipeline.control_characters import one_line
from pipeline.errors import fault_sentence
from pipeline.observe.redact import redact

QUIET = {
    "kafka": logging.CRITICAL,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "uvicorn.access": logging.WARNING,
}
"""The lowest level at which a library's lines are logged. The job reports the same faults in lines of its own."""


class PlainLines(logging.Formatter):
    """`2026-11-11T00:00:00.000Z INFO log2mq.run: text`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, whatever the text holds, without a traceback: the text says what a person can correct."""
        return one_line(redact(f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}"))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and `books` if the line has them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one JSON object."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if (books := getattr(record, "books", None)) is not None:
            line["books"] = books
        return one_line(
            json.dumps(line, ensure_ascii=False)
        )  # JSON leaves some control characters, and has the same escapes


class LineSink(Protocol):
    """The destination of log lines. Each line is written whole, with its line end."""

    def write(self, text: str, /) -> object:
        """Write one line."""
        ...

    def flush(self) -> None:
        """Write out buffered lines."""
        ...


class _StandardError:
    """The current `sys.stderr`. While a live line is shown on the terminal, rich replaces it, so that log lines appear above the live line."""

    def write(self, text: str, /) -> object:
        """Write one line."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Write out buffered lines."""
        sys.stderr.flush()


STANDARD_ERROR = _StandardError()


def set_up_logging(log_format: str, level: str, sink: LineSink = STANDARD_ERROR) -> None:
    """Send the process's log lines of `level` and above to `sink`. `log_format` is `text` or `json`.

    A thread that ends by an error logs a line too. Python would print the text of the error, which may hold anything.
    """
    threading.excepthook = _log_fault_of_thread
    handler = logging.StreamHandler(sink)
    handler.setFormatter(JsonLines() if log_format == "json" else PlainLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("log2mq").setLevel(level.upper())
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)


def _log_fault_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        name = ended.thread.name if ended.thread is not None else "that has ended"
        logging.getLogger("log2mq").error("the thread %s ended by %s", name, fault_sentence(ended.exc_value))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
