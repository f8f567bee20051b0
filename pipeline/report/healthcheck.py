"""The check that the API accepts calls with these settings: one call that lists workspaces. It changes nothing and sends no event (reference, section 1.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pipeline.contracts.values import Retry
from pipeline.errors import DestinationHalt
from pipeline.report.client import ReporterClient
from pipeline.report.error_codes import Verdict, verdict_of

WAITS_MS = (1_000, 2_000)
MOST_WAIT_MS = 10_000
"""The longest wait, also if the service asks for a longer one."""

_OTHER_OPERATION = ("invalidapi", "invalidaction", "unsupportedhttpmethod")
"""Codes of an endpoint without this operation. It may still have the operations that report."""

_ONLY_THIS_OPERATION = frozenset({Verdict.PERMISSION, Verdict.CONTENT, Verdict.UNKNOWN})
"""Classes of answers that concern only this operation. A job calls other operations; all other refusals concern them too."""

_TRY_AGAIN = frozenset(
    {Verdict.THROTTLED, Verdict.AWAY, Verdict.INTERNAL, Verdict.NOT_AN_ANSWER, Verdict.NONCE}
    | {Verdict.CREDENTIALS, Verdict.PERMISSION}  # a `Retry` only where the credentials were replaced during the call
)


class HealthcheckResult(NamedTuple):
    """The names of the workspaces by ID, or in `doubt` the reason why the credentials are not proved."""

    workspaces: Mapping[str, str]
    doubt: str = ""


def check_health(client: ReporterClient, sleep: Callable[[float], None]) -> HealthcheckResult:
    """Ask for the workspaces, up to three times while the service is not available, and return the result. `sleep` takes seconds.

    Raises:
        DestinationHalt: a job could not report either. The message has the reason; `may_pass` where the service is not available now.
    """
    answer = client.workspaces()
    for wait_ms in WAITS_MS:
        if not (isinstance(answer, Retry) and _may_pass(answer)):
            break
        sleep(min(max(answer.after_ms or 0, wait_ms), MOST_WAIT_MS) / 1000)
        answer = client.workspaces()
    if isinstance(answer, Mapping):
        return HealthcheckResult(answer)
    request = f" (request {answer.request_id})" if answer.request_id else ""
    if answer.code.lower().startswith(_OTHER_OPERATION):
        return HealthcheckResult(
            {}, f"the endpoint does not know the operation that lists workspaces: {answer.code}{request}"
        )
    if answer.request_id and verdict_of(0, answer.code) in _ONLY_THIS_OPERATION:
        return HealthcheckResult({}, f"the operation that lists workspaces is refused: {answer.code}{request}")
    may_pass = isinstance(answer, Retry) and _may_pass(answer)
    raise DestinationHalt(f"{answer.code}: {answer.reason}{request}", may_pass=may_pass)


def _may_pass(answer: Retry) -> bool:
    """Return whether the error may pass. An answer without a request ID is not from the API."""
    return not answer.request_id or verdict_of(0, answer.code) in _TRY_AGAIN
