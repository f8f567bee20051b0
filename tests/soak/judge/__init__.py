"""The judgement of a soak: pure functions over the evidence. It shares no code with the job, and knows only what a person was promised."""

from __future__ import annotations

from tests.soak.evidence import Evidence
from tests.soak.judge.books import judge_books
from tests.soak.judge.dead_letters import judge_dead_letters
from tests.soak.judge.delivery import judge_delivery
from tests.soak.judge.exits import judge_exits
from tests.soak.judge.facts import Facts
from tests.soak.judge.identities import judge_identities
from tests.soak.judge.memory import judge_memory
from tests.soak.judge.progress import judge_progress
from tests.soak.judge.twice import judge_twice
from tests.soak.judge.verdict import Bar, Finding, Judgement

__all__ = ["Bar", "Finding", "Judgement", "judge"]


def judge(evidence: Evidence) -> Judgement:
    """Return what the soak came to: the figures, and a finding for each bar that was missed in some way."""
    facts = Facts(evidence)
    judgement = Judgement(evidence.seed)
    for part in (
        judge_delivery,
        judge_twice,
        judge_dead_letters,
        judge_identities,
        judge_books,
        judge_memory,
        judge_progress,
        judge_exits,
    ):
        part(facts, judgement)
    return judgement
