"""What supervisors and processes say of themselves: a worker ends for a cause that is known, and log2mq has no fault of its own."""

from __future__ import annotations

import re

from tests.soak.evidence import LoggedWarning
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement
from tests.soak.kinds import NATURES

_BEGAN = re.compile(r"worker (\d+) runs as process (\d+)")
_ENDED = re.compile(r"worker (\d+) (?:was killed|left|ended|did not end)")
_FAULTS = ("Traceback (most recent call last)", "fault in log2mq", "BooksUnbalanced", "the books do not balance")

NOTICED_MS = 5_000
"""The longest time from a kill until the supervisor says so."""

AFTER_MS = 60_000
"""The time after a fault in which a worker may still end because of it, as a job may."""

STOOD_MS = 60_000
"""The longest time from a SIGSTOP until the supervisor has given up a worker that stands still."""


def judge_workers(facts: Facts, judgement: Judgement) -> None:
    """Find workers that ended, or were killed, though the soak did nothing to them, and lines that tell of a fault in log2mq itself."""
    pids: dict[tuple[str, str], int] = {}
    ends, unexplained, broken = 0, [], []
    for said in facts.evidence.warnings:
        if began := _BEGAN.match(said.text):
            pids[said.command, began[1]] = int(began[2])
        elif ended := _ENDED.match(said.text):
            ends += 1
            if not _is_explained(facts, said, pids.get((said.command, ended[1]))):
                unexplained.append(said)
        if any(each in said.text for each in _FAULTS):
            broken.append(said)
    judgement.figures["ends of workers that a supervisor told"] = ends
    for lines, sentence in (
        (unexplained, "ends of workers have no cause"),
        (broken, "lines tell of a fault in log2mq"),
    ):
        judgement.miss(
            Bar.WORKERS, len(lines), f"{len(lines):,} {sentence}: {'; '.join(_said(facts, each) for each in lines[:5])}"
        )


def _is_explained(facts: Facts, said: LoggedWarning, pid: int | None) -> bool:
    """Whether the soak killed this very process or let it stand still, or a fault may end a job, and so may end a worker with the same error."""
    if any(
        each.pid == pid and 0 <= said.at_ms - each.at_ms <= (STOOD_MS if each.signal == "SIGSTOP" else NOTICED_MS)
        for each in facts.evidence.interruptions
    ):
        return True
    return ": " in said.text and any(
        NATURES[each.kind].exits and each.from_ms <= said.at_ms <= each.to_ms + AFTER_MS
        for each in facts.evidence.faults
    )


def _said(facts: Facts, said: LoggedWarning) -> str:
    return f"{said.command} at {(said.at_ms - facts.evidence.began_ms) // 1000} s: {said.text[:200]}"
