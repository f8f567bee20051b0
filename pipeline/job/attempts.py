"""How many calls were made, how they were answered, and how long they took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from pipeline.contracts.values import Delivered, Exhausted, Halt, Outcome, Refused, Unsent
from pipeline.job.histogram import BATCH_MESSAGES, CALL_MS, Histogram
from transforms.base import Kind

MOST_CODES = 50
"""The most codes that are counted each by itself. The API knows some dozens; a server that invents codes must not fill the memory, nor the summary."""

OTHER_CODES = "other codes"


class AnswerClass(StrEnum):
    """The class of the answer to a call, as the job acts on it."""

    ACCEPTED = "accepted"
    THROTTLED = "throttled"
    AWAY = "away"  # the service or the network failed
    IN_DOUBT = "in_doubt"  # the answer was lost: the service may have taken the batch
    REFUSED = "refused"  # the content may be at fault
    RETRIED = "retried"  # another failure that may pass
    HALT = "halt"  # a person must correct something
    UNSENT = "unsent"  # not written in time, so the service has nothing of it


class CallAnswer(NamedTuple):
    """What calls were answered with: the operation, the class, and the code; no code where there was no failure."""

    kind: Kind
    answer_class: AnswerClass
    code: str = ""


def class_of(outcome: Outcome | Unsent) -> AnswerClass:
    """Return the class of an outcome."""
    if isinstance(outcome, Delivered):
        return AnswerClass.ACCEPTED
    if isinstance(outcome, Unsent):
        return AnswerClass.UNSENT
    if isinstance(outcome, Halt):
        return AnswerClass.HALT
    if isinstance(outcome, Refused) or outcome.exhausted is not Exhausted.HALT:
        return AnswerClass.REFUSED
    if outcome.throttled:
        return AnswerClass.THROTTLED
    if outcome.in_doubt:
        return AnswerClass.IN_DOUBT
    return AnswerClass.AWAY if outcome.outage and outcome.limit is None else AnswerClass.RETRIED


def _histograms(bounds: tuple[int, ...]) -> Callable[[], dict[Kind, Histogram]]:
    return lambda: {kind: Histogram(bounds) for kind in Kind}


@dataclass(slots=True)
class Attempts:
    """Counts of calls, by operation; `resent_in_doubt` counts messages. `call_ms` has the times of the calls in ms, `batch_messages` their sizes."""

    calls: int = 0
    retries: int = 0
    halvings: int = 0
    resent_in_doubt: int = 0
    last_failure: str = ""
    answers: dict[CallAnswer, int] = field(default_factory=dict)
    call_ms: dict[Kind, Histogram] = field(default_factory=_histograms(CALL_MS))
    batch_messages: dict[Kind, Histogram] = field(default_factory=_histograms(BATCH_MESSAGES))

    @property
    def codes(self) -> dict[str, int]:
        """The number of calls that failed, by code. Codes beyond the first `MOST_CODES` are counted together, as `other codes`."""
        codes: dict[str, int] = {}
        for answer, calls in self.answers.items():
            if answer.code:
                codes[answer.code] = codes.get(answer.code, 0) + calls
        return codes

    def sent(self, kind: Kind, messages: int) -> None:
        """Count a call that is sent."""
        self.calls += 1
        self.batch_messages[kind].observe(messages)

    def answered(self, kind: Kind, outcome: Outcome | Unsent) -> None:
        """Count the answer to a call."""
        if isinstance(outcome, (Delivered, Unsent)):
            code = ""
        else:
            code = outcome.code
            self.last_failure = f"{outcome.code}: {outcome.reason}"
        self._count(CallAnswer(kind, class_of(outcome), code), 1)
        if not isinstance(outcome, Unsent) and outcome.took_ms is not None:
            self.call_ms[kind].observe(outcome.took_ms)

    def add(self, other: Attempts) -> None:
        """Add what another process has counted."""
        self.calls += other.calls
        self.retries += other.retries
        self.halvings += other.halvings
        self.resent_in_doubt += other.resent_in_doubt
        self.last_failure = other.last_failure or self.last_failure
        for answer, calls in other.answers.items():
            self._count(answer, calls)
        for kind in Kind:
            self.call_ms[kind].add(other.call_ms[kind])
            self.batch_messages[kind].add(other.batch_messages[kind])

    def copy(self) -> Attempts:
        """Return a copy that does not change with this one."""
        copied = Attempts()
        copied.add(self)
        return copied

    def _count(self, answer: CallAnswer, calls: int) -> None:
        known = {each.code for each in self.answers} - {"", OTHER_CODES}
        if answer.code and answer.code not in known and len(known) >= MOST_CODES:
            answer = answer._replace(code=OTHER_CODES)
        self.answers[answer] = self.answers.get(answer, 0) + calls
