"""The answer of the API after which a person must correct something: the sentence of it, and the line in the log."""

from __future__ import annotations

import logging

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.contracts.values import Halt, Retry
from transforms.base import Kind

_log = logging.getLogger("log2mq.job")


def noted_halt(kind: Kind, outcome: Halt | Retry, more: str = "") -> str:
    """Log that an answer ends the job, and return it as a sentence, with the identifiers that the API's support asks for. `more` follows it."""
    marks = [
        f"{name} {value}" for name, value in (("RequestId", outcome.request_id), ("TraceId", outcome.trace_id)) if value
    ]
    sentence = f"Quick Audience answered {outcome.code}: {outcome.reason}" + (f" [{', '.join(marks)}]" if marks else "")
    log_event(
        _log,
        logging.ERROR,
        LogEvent.HALT,
        f"{sentence}{more}",
        kind=kind,
        code=outcome.code,
        request_id=outcome.request_id,
        trace_id=outcome.trace_id,
        reason=outcome.reason,
    )
    return f"{sentence}{more}"
