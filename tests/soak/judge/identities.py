"""A customer's identities never go back: the last ones of the log are the last ones reported, and an older version never follows a newer one.

The same walk through the versions finds identities that were told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from tests.soak.evidence import AcceptedBatch, LoggedLine
from tests.soak.judge.excuses import Excuses
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement

AHEAD_MS = 1_000
"""The writer gives each line a time of its own, in ms: after a stand it stamps lines so far ahead at most."""


_Accepted = tuple[str | None, AcceptedBatch]


class Version(NamedTuple):
    """Identities that the log tells after others, and when it does so for the first time."""

    identities: str | None
    at_ms: int


class Told(NamedTuple):
    """Identities that were accepted, and when the call arrived."""

    identities: str | None
    received_ms: int


class Walk(NamedTuple):
    """What left the order of the versions: places in the list of what was told."""

    back: list[int]
    again: list[int]


def judge_identities(facts: Facts, judgement: Judgement, excuses: Excuses) -> None:
    """Find customers whose reported identities went back, were told twice, or ended with older ones than the log's."""
    judgement.figures["customers with identities"] = len(facts.versions)
    walks: dict[str, Walk] = {}
    stale = []
    for customer, records in facts.versions.items():
        # In the order of their arrival: a call that was given up may be accepted after a later one.
        accepted = sorted(facts.users.get(customer, ()), key=lambda each: each[1].received_ms)
        walks[customer] = walk(
            versions_of(records),
            [Told(digest, batch.received_ms) for digest, batch in accepted],
            partial(_is_excused, excuses, records, accepted),
            partial(_is_forgotten, facts, accepted),
        )
        if accepted and accepted[-1][0] != records[-1].line.identities:
            stale.append(customer)
    back = [customer for customer, walked in walks.items() if walked.back]
    again = [customer for customer, walked in walks.items() if walked.again]
    steps = sum(len(walked.back) for walked in walks.values())
    seconds = sum(len(walked.again) for walked in walks.values())
    for bar, count, customers, sentence in (
        (Bar.IDENTITIES, steps, back, f"{steps:,} times older identities were reported after newer ones, or too early"),
        (Bar.IDENTITIES, len(stale), stale, f"{len(stale):,} customers ended with older identities than the log's"),
        (Bar.TWICE, seconds, again, f"{seconds:,} acceptances of identities were second ones without excuse"),
    ):
        numbers = [facts.versions[customer][-1].line.number for customer in customers]
        judgement.miss(
            bar, count, f"{sentence}: {len(customers):,} customers such as {', '.join(customers[:5])}", numbers
        )


def versions_of(records: Sequence[LoggedLine]) -> list[Version]:
    """Return the changes that the log tells, oldest first."""
    versions: list[Version] = []
    for each in records:
        if not versions or versions[-1].identities != each.line.identities:
            versions.append(Version(each.line.identities, each.at_ms))
    return versions


def walk(
    versions: Sequence[Version],
    told: Sequence[Told],
    is_excused: Callable[[int, int], bool],
    is_forgotten: Callable[[int, int], bool],
) -> Walk:
    """Follow what was told through the versions, from left to right, and return what left their order.

    What was told may leave out versions. The latest one is told again only where `is_excused` says so of the place of its acceptance before and of
    the second one; identities to which the log goes back are a later version. No version is told before the log has it. Where `is_forgotten` says
    that the store has lost its memory between two acceptances, the walk may begin again.
    """
    place, before = -1, -1  # of the version that was told last, and of its acceptance
    walked = Walk([], [])
    for at, (identities, received_ms) in enumerate(told):
        known = received_ms + AHEAD_MS
        written = [n for n, each in enumerate(versions) if each.identities == identities and each.at_ms <= known]
        is_same = place >= 0 and versions[place].identities == identities
        if written and before >= 0 and is_forgotten(before, at):
            place, before = written[0], at
        elif is_same and (told[at - 1].identities != identities or is_excused(before, at)):
            before = at  # it comes right after a step back, or is excused
        elif later := [n for n in written if n > place]:
            place, before = later[0], at
        else:
            (walked.again if is_same else walked.back).append(at)
    return walked


def _is_excused(
    excuses: Excuses, records: Sequence[LoggedLine], accepted: Sequence[_Accepted], before: int, again: int
) -> bool:
    """Whether nobody could know that these identities were accepted `before`."""
    same = [each for each in records if each.line.identities == accepted[again][0]]
    return excuses.is_excused(accepted[before][1], accepted[again][1], same)


def _is_forgotten(facts: Facts, accepted: Sequence[_Accepted], before: int, again: int) -> bool:
    """Whether the store has lost its memory of what was accepted `before`."""
    return before >= 0 and facts.is_forgotten(accepted[before][1].accepted_ms, accepted[again][1].accepted_ms)
