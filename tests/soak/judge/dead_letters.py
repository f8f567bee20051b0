"""Only what is refused becomes a dead letter, and each once, as long as the store remembers it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from tests.soak.evidence import DeadLetter, Interruption
from tests.soak.judge.excuses import CLOCKS_MS, REMEMBERED_MS
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement


def judge_dead_letters(facts: Facts, judgement: Judgement) -> None:
    """Find dead letters of good records, of no record, and second ones. A refused record without a dead letter counts as lost."""
    places = {each.place: each.line for each in facts.evidence.log}
    judgement.figures["dead letters"] = len(facts.evidence.dead_letters)
    good = {
        place: letters
        for place, letters in facts.dead_letters.items()
        if place in places and not places[place].kind.is_refused
    }
    reasons = Counter(letters[0].reason for letters in good.values())
    said = ", ".join(f"{reason} x{count}" for reason, count in reasons.most_common())
    judgement.miss(
        Bar.DEAD_LETTERS,
        len(good),
        f"{len(good):,} good records became dead letters: {said}",
        [places[place].number for place in good],
    )
    strange = [place for place in facts.dead_letters if place not in places]
    judgement.miss(Bar.DEAD_LETTERS, len(strange), f"{len(strange):,} dead letters are of no record: {strange[:3]}")
    seconds, in_flight = Counter[tuple[int, int]](), 0
    for place, letters in facts.dead_letters.items():
        for before, letter in pairwise(letters):
            if _was_in_flight(before, facts.evidence.interruptions):
                in_flight += 1
            elif not facts.is_forgotten(before.at_ms, letter.at_ms):
                seconds[place] += 1
    if in_flight:
        judgement.figures["second dead letters, the first in flight at a kill"] = in_flight
    again = {place: facts.dead_letters[place] for place in seconds}
    count = sum(seconds.values())
    killed = sum(
        any(letters[0].at_ms <= each.at_ms <= letters[-1].at_ms for each in facts.evidence.interruptions)
        for letters in again.values()
    )
    judgement.miss(
        Bar.DEAD_LETTERS_ONCE,
        count,
        f"{count:,} dead letters were second ones, of {len(again):,} records ({killed:,} of these with a kill or a stop between the two)",
        [places[place].number for place in again if place in places],
    )


def _was_in_flight(letter: DeadLetter, interruptions: Sequence[Interruption]) -> bool:
    """Whether a process was killed so soon after it had written a dead letter that it could not remember it (docs/guarantees.md, promise 11)."""
    return any(
        each.signal != "SIGSTOP" and letter.at_ms - CLOCKS_MS <= each.at_ms <= letter.at_ms + REMEMBERED_MS
        for each in interruptions
    )
