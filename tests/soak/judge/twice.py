"""What was accepted twice, and whether that could not be avoided.

A second acceptance is excused only where nobody could know of the first one:

* its answer was cut: it never reached the client, or later than the client waits;
* its answer reached a process that was killed at once, before it could remember: at most the batches in flight, `senders` for each process;
* the same for a process that stood still beyond its lease: while it does, it is as good as dead to the others;
* the store lost its memory between the claim of the first and the second.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from tests.soak.evidence import AcceptedBatch, Interruption
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement

REMEMBERED_MS = 5_000
"""The longest time from an answer's arrival to its confirmation in the store. An answer that came earlier was not in flight at a kill."""

CLOCKS_MS = 250
"""The times of the proxy, of the stand-in and of a signal differ by less."""


class _Excuses:
    """Decides whether a second acceptance is excused, and counts the batches of each interruption."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._evidence = facts.evidence
        self.reasons: Counter[str] = Counter()
        self.in_flight: dict[Interruption, set[str]] = defaultdict(set)

    def is_excused(self, before: AcceptedBatch, again: AcceptedBatch) -> bool:
        """Whether nobody could know of the acceptance `before` when the message was sent `again`. The reason is counted."""
        if self._was_cut(before) or (self._was_cut(again) and again.received_ms <= before.accepted_ms):
            self.reasons["twice, after a cut answer"] += 1
            return True
        if (interruption := self._interruption_of(before)) is not None:
            batches = self.in_flight[interruption]
            if before.request_id in batches or len(batches) < self._evidence.senders:
                batches.add(before.request_id)
                self.reasons[f"twice, in flight at a {interruption.signal}"] += 1
                return True
        if self._facts.is_store_lost_between(before.accepted_ms, again.accepted_ms):
            self.reasons["twice, after the store lost its memory"] += 1
            return True
        return False

    def _was_cut(self, batch: AcceptedBatch) -> bool:
        return batch.passed_ms is None or batch.passed_ms - batch.received_ms > self._evidence.slow_ms

    def _interruption_of(self, batch: AcceptedBatch) -> Interruption | None:
        assert batch.passed_ms is not None
        for interruption in self._evidence.interruptions:
            since_ms = interruption.at_ms - batch.passed_ms
            if interruption.signal == "SIGSTOP":
                # Received before the stop; the answer may have come while the process stood still.
                if batch.received_ms <= interruption.at_ms + CLOCKS_MS and since_ms <= REMEMBERED_MS:
                    return interruption
            elif -CLOCKS_MS <= since_ms <= REMEMBERED_MS:
                return interruption
        return None


def judge_twice(facts: Facts, judgement: Judgement) -> None:
    """Find messages that were accepted again although the job knew, or had to know, that they were accepted."""
    excuses = _Excuses(facts)
    events = [
        biz for biz, batches in facts.events.items() for pair in pairwise(batches) if not excuses.is_excused(*pair)
    ]
    customers: list[str] = []
    for customer, told in facts.users.items():
        for (digest, before), (digest_again, again) in pairwise(told):
            if (
                digest == digest_again
                and not _is_told_again(facts, customer, digest)
                and not excuses.is_excused(before, again)
            ):
                customers.append(customer)
    for reason, count in sorted(excuses.reasons.items()):
        judgement.figures[reason] = count
    records = [facts.sources[biz][0].line.number for biz in dict.fromkeys(events) if biz in facts.sources]
    judgement.miss(
        Bar.TWICE,
        len(events),
        f"{len(events):,} acceptances of events were second ones without excuse: {_when(facts, events)}",
        records,
    )
    judgement.miss(
        Bar.TWICE,
        len(customers),
        f"{len(customers):,} acceptances of identities were second ones without excuse: {', '.join(customers[:5])}",
        [facts.versions[customer][-1].line.number for customer in dict.fromkeys(customers) if facts.versions[customer]],
    )


def _is_told_again(facts: Facts, customer: str, digest: str | None) -> bool:
    """Whether the log goes back to these identities after others: then they are rightly reported more than once."""
    told = [each.line.identities for each in facts.versions[customer]]
    changes = [each for place, each in enumerate(told) if place == 0 or told[place - 1] != each]
    return changes.count(digest) > 1


def _when(facts: Facts, events: Sequence[str]) -> str:
    """Say in which seconds of the soak the second acceptances were, with the faults of that time."""
    seconds: Counter[int] = Counter()
    for biz in set(events):
        seconds.update((batch.accepted_ms - facts.evidence.began_ms) // 1000 for batch in facts.events[biz][1:])
    parts = []
    for second, count in seconds.most_common(5):
        at_ms = facts.evidence.began_ms + second * 1000
        near = [
            each.kind.value for each in facts.evidence.faults if each.from_ms - 1000 <= at_ms <= each.to_ms + 30_000
        ]
        parts.append(f"{count} at {second} s ({', '.join(near) or 'no fault'})")
    return "; ".join(parts)
