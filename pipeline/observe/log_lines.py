"""Log lines on standard error: plain for a person, or one JSON object a line for a machine. Times are UTC."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from pipeline.control_characters import one_line
from pipeline.errors import fault_sentence
from pipeline.observe.log_rate import LineRateLimit
from pipeline.observe.redact import redact

QUIET = {
    "kafka": logging.CRITICAL,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "uvicorn.access": logging.WARNING,
}
"""The lowest level at which a library's lines are logged. The job reports the same faults in lines of its own."""


class PlainLines(logging.Formatter):
    """`2026-11-11T00:00:00.000Z INFO log2mq.run: text`; of a worker `log2mq.run: worker 0: text`."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._before = "" if worker is None else f"worker {worker}: "

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, whatever the text holds, without a traceback: the text says what a person can correct."""
        text = f"{_time(record)} {record.levelname} {record.name}: {self._before}{record.getMessage()}"
        if left_out := getattr(record, "left_out", 0):
            text += f" ({left_out:,} such lines were left out in the minute before)"
        return one_line(redact(text))


class JsonLines(logging.Formatter):
    """One JSON object a line. The keys of every line are in `docs/logs.md`; a line that tells an event has the fields of the event, too."""

    def __init__(self, source: str = "", worker: int | None = None) -> None:
        """`source` and `worker` are the same in every line of a process; "" and None where there is none."""
        super().__init__()
        self._same = {"source": source, "worker": worker, "host": socket.gethostname(), "version": _version()}

    def format(self, record: logging.LogRecord) -> str:
        """Return one JSON object."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", ""),
            **self._same,
            "pid": record.process,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "left_out": getattr(record, "left_out", 0),
        }
        line = {
            name: value for name, value in line.items() if value not in {"", None} and (name, value) != ("left_out", 0)
        }
        for name, value in getattr(record, "fields", {}).items():
            line[name] = _redacted(value)
        # JSON leaves some control characters, and has the same escapes.
        return one_line(json.dumps(line, ensure_ascii=False, default=str))


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


def set_up_logging(
    log_format: str, level: str, sink: LineSink = STANDARD_ERROR, *, source: str = "", worker: int | None = None
) -> None:
    """Send the process's log lines of `level` and above to `sink`. `log_format` is `text` or `json`.

    `source` and `worker` say in JSON lines whose lines they are. A thread that ends by an error logs a line too: Python would print the text
    of the error, which may hold anything.
    """
    threading.excepthook = _log_fault_of_thread
    handler = logging.StreamHandler(sink)
    handler.setFormatter(JsonLines(source, worker) if log_format == "json" else PlainLines(worker))
    handler.addFilter(LineRateLimit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("log2mq").setLevel(level.upper())
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)


def are_lines_json() -> bool:
    """Whether the log lines of this process are JSON. Then nothing else may stand between them."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)


def _log_fault_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        name = ended.thread.name if ended.thread is not None else "that has ended"
        logging.getLogger("log2mq").error("the thread %s ended by %s", name, fault_sentence(ended.exc_value))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _redacted(value: Any) -> Any:
    """Return a field without identifiers. Numbers, and the names of fields, hold none."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: _redacted(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(each) for each in value]
    return value


def _version() -> str:
    try:
        return version("log2mq")
    except PackageNotFoundError:
        return "not installed"
