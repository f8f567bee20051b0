"""The judgement of a soak: pure functions over the evidence. It knows only what a person was promised."""

from __future__ import annotations

from tests.soak.evidence import Evidence
from tests.soak.judge.books import judge_books
from tests.soak.judge.dead_letters import judge_dead_letters
from tests.soak.judge.delivery import judge_delivery
from tests.soak.judge.excuses import Excuses
from tests.soak.judge.exits import judge_exits
from tests.soak.judge.facts import Facts
from tests.soak.judge.identities import judge_identities
from tests.soak.judge.memory import judge_memory
from tests.soak.judge.progress import judge_progress
from tests.soak.judge.twice import judge_twice
from tests.soak.judge.verdict import Bar, Finding, Judgement
from tests.soak.judge.workers import judge_workers

__all__ = ["Bar", "Finding", "Judgement", "judge"]


def judge(evidence: Evidence) -> Judgement:
    """Return what the soak came to: the figures, and a finding for each bar that was missed in some way."""
    facts = Facts(evidence)
    judgement = Judgement(evidence.seed)
    judge_delivery(facts, judgement)
    excuses = Excuses(facts)
    judge_twice(facts, judgement, excuses)
    judge_identities(facts, judgement, excuses)
    judgement.figures["answers of which the process is not known"] = excuses.unknown
    for reason, count in sorted(excuses.reasons.items()):
        judgement.figures[reason] = count
    for part in (
        judge_dead_letters,
        judge_books,
        judge_memory,
        judge_progress,
        judge_exits,
        judge_workers,
    ):
        part(facts, judgement)
    return judgement
