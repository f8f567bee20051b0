"""A customer's identities never go back: the last ones of the log are the last ones reported, and an older version never follows a newer one."""

from __future__ import annotations

from collections.abc import Sequence

from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement


def judge_identities(facts: Facts, judgement: Judgement) -> None:
    """Find customers whose reported identities went back, or ended with older ones than the log's."""
    judgement.figures["customers with identities"] = len(facts.versions)
    back, stale, steps = [], [], 0
    for customer, versions in facts.versions.items():
        wanted = [each.line.identities for each in versions]
        # In the order of their arrival: a call that was given up may be accepted after a later one.
        told = [digest for digest, _ in sorted(facts.users.get(customer, ()), key=lambda each: each[1].received_ms)]
        if went_back := steps_back(wanted, told):
            steps += went_back
            back.append(customer)
        if told and told[-1] != wanted[-1]:
            stale.append(customer)
    judgement.miss(
        Bar.IDENTITIES,
        steps,
        f"{steps:,} times older identities were reported after newer ones, of {len(back):,} customers: {', '.join(back[:5])}",
        [facts.versions[customer][-1].line.number for customer in back],
    )
    judgement.miss(
        Bar.IDENTITIES,
        len(stale),
        f"{len(stale):,} customers ended with older identities than the log's: {', '.join(stale[:5])}",
        [facts.versions[customer][-1].line.number for customer in stale],
    )


def steps_back(wanted: Sequence[str | None], told: Sequence[str | None]) -> int:
    """Return how often `told` leaves the order of `wanted`.

    In order, `told` names versions of `wanted` from left to right. It may leave out versions, and repeat the latest one.
    """
    place = back = 0
    for digest in told:
        for later in range(place, len(wanted)):
            if wanted[later] == digest:
                place = later
                break
        else:
            back += 1
    return back
