"""Does the API take our calls at all? One call that lists workspaces, changes nothing, and sends no event (reference, section 1.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pipeline.contracts.values import Retry
from pipeline.errors import DestinationHalt
from pipeline.report.client import ReporterClient
from pipeline.report.error_codes import Verdict, verdict_of

WAITS_MS = (1_000, 2_000)
MOST_WAIT_MS = 10_000
"""Of the service's own hint no more is believed."""

_OTHER_OPERATION = ("invalidapi", "invalidaction", "unsupportedhttpmethod")
"""Codes that say that there is no such operation; the reporting operations may be there all the same."""

_SAYS_NOTHING = frozenset({Verdict.PERMISSION, Verdict.CONTENT, Verdict.UNKNOWN})
"""Answers about this operation only: a job calls others. What else refuses, refuses them too."""

_AGAIN = frozenset({Verdict.THROTTLED, Verdict.AWAY, Verdict.INTERNAL, Verdict.NOT_AN_ANSWER, Verdict.NONCE})


class Probe(NamedTuple):
    """What the API answered: the workspaces, name by ID, or in `doubt` why the credentials are not proved."""

    workspaces: Mapping[str, str]
    doubt: str = ""


def probe(client: ReporterClient, sleep: Callable[[float], None]) -> Probe:
    """Ask for the workspaces, a second and third time where the service is away for a moment. `sleep` takes seconds.

    Raises:
        DestinationHalt: a job could not report either; the message says why.
    """
    answer = client.workspaces()
    for wait_ms in WAITS_MS:
        if not (isinstance(answer, Retry) and _may_mend_itself(answer)):
            break
        sleep(min(max(answer.after_ms or 0, wait_ms), MOST_WAIT_MS) / 1000)
        answer = client.workspaces()
    if isinstance(answer, Mapping):
        return Probe(answer)
    request = f" (request {answer.request_id})" if answer.request_id else ""
    if answer.code.lower().startswith(_OTHER_OPERATION):
        return Probe({}, f"the endpoint does not know the operation that lists workspaces: {answer.code}{request}")
    if answer.request_id and verdict_of(0, answer.code) in _SAYS_NOTHING:
        return Probe({}, f"the operation that lists workspaces is refused: {answer.code}{request}")
    raise DestinationHalt(f"{answer.code}: {answer.reason}{request}")


def _may_mend_itself(answer: Retry) -> bool:
    """Without a request ID there was no answer of the API at all."""
    return not answer.request_id or verdict_of(0, answer.code) in _AGAIN
