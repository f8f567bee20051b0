"""What the evidence says of each record: when it was accepted, dead-lettered and committed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from tests.soak.evidence import AcceptedBatch, DeadLetter, Evidence, LoggedLine
from tests.soak.judge.clear import clear_ms
from tests.soak.kinds import NATURES, FaultKind
from tests.soak.workload import EVENT_CODE, LineKind

NEVER = float("inf")

CLAIMED_MS = 1_000
"""The longest time from the claim of a message or a dead letter to its acceptance: it waits for its batch, and is sent. Whoever claimed before a
store lost its memory learns of the loss with the next question to it, at the latest when it renews its lease, four times in 3 s."""


READ_AGAIN_MS = 60_000
"""The longest time without a fault until what was not committed at the loss of a store is reported again, and until a record that is written then is."""


class Facts:
    """The evidence, indexed."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.events: dict[str, list[AcceptedBatch]] = defaultdict(list)
        """The batches that each event was accepted with, by its outBizId, in the order of the ledger."""
        self.strange_events: list[tuple[str, ...]] = []
        """Accepted events with another code."""
        self.users: dict[str, list[tuple[str | None, AcceptedBatch]]] = defaultdict(list)
        """The digests of the identities that were accepted for each customer, with their batches, in the order of the ledger."""
        for batch in evidence.accepted:
            if batch.kind == "event":
                for key in batch.keys:
                    code, biz = key
                    if code == EVENT_CODE:
                        self.events[biz].append(batch)
                    else:
                        self.strange_events.append(key)
            else:
                for (customer,), digest in zip(batch.keys, batch.identities, strict=True):
                    self.users[customer].append((digest, batch))
        self.dead_letters: dict[tuple[int, int], list[DeadLetter]] = defaultdict(list)
        """The dead letters by the place of their record."""
        for letter in evidence.dead_letters:
            self.dead_letters[letter.place].append(letter)
        self.versions: dict[str, list[LoggedLine]] = defaultdict(list)
        """The records that tell a customer's identities, oldest first."""
        self.sources: dict[str, list[LoggedLine]] = defaultdict(list)
        """The records of each event, oldest first."""
        for logged in sorted(evidence.log, key=lambda each: each.line.number):
            if logged.line.customer is not None:
                self.versions[logged.line.customer].append(logged)
            if logged.line.event is not None:
                self.sources[logged.line.event].append(logged)
        self.holding_faults = [each for each in evidence.faults if NATURES[each.kind].holds]
        """The faults while which a partition may stand still."""
        self.committed = dict(evidence.snapshots[-1].offsets) if evidence.snapshots else {}
        """The last commit of each partition."""

    def is_forgotten(self, accepted_ms: int, again_ms: int, records: Iterable[LoggedLine] = ()) -> bool:
        """Whether the store lost its memory of something that was accepted at a moment before it was sent again.

        After a loss three things are told again: what was not committed then, within `READ_AGAIN_MS`; what one of `records` tells that was written
        after the loss, within the same time of that; and what a replay reads.
        """
        lost = [each for each in self.evidence.store_losses_ms if accepted_ms - CLAIMED_MS <= each <= again_ms]
        if not lost:
            return False
        written = [each.at_ms for each in records if lost[0] <= each.at_ms <= again_ms]
        return any(clear_ms(self.holding_faults, each, again_ms) <= READ_AGAIN_MS for each in (*lost, *written)) or any(
            each.kind is FaultKind.REPLAY and each.from_ms <= again_ms <= each.to_ms for each in self.evidence.faults
        )

    def is_committed(self, logged: LoggedLine) -> bool:
        """Whether the group has committed past a record."""
        return logged.offset < self.committed.get(logged.partition, 0)

    @cached_property
    def finished_ms(self) -> dict[int, float]:
        """When each record was finished, by its line's number; `NEVER` for one that was not. A filtered record is finished from the start."""
        return {logged.line.number: self._finished(logged) for logged in self.evidence.log}

    def _finished(self, logged: LoggedLine) -> float:
        line = logged.line
        if line.kind is LineKind.FILTERED:
            return 0
        if line.kind.is_refused:
            return min((letter.at_ms for letter in self.dead_letters.get(logged.place, ())), default=NEVER)
        moments: list[float] = []
        if line.event is not None:
            moments.append(min((batch.accepted_ms for batch in self.events.get(line.event, ())), default=NEVER))
        if line.customer is not None:
            moments.append(self._told_ms(line.customer, line.number))
        return max(moments)

    def _told_ms(self, customer: str, number: int) -> float:
        """When these identities, or later ones of the customer, were accepted for the first time, or needed no acceptance any more.

        An acceptance counts from the moment at which the log told these identities, or told them before without others in between. Nothing is to be
        told any more where the identities that were accepted last are those that the log tells: these, or later ones.
        """
        versions = self.versions[customer]
        place = next(place for place, each in enumerate(versions) if each.line.number == number)
        enough = {each.line.identities for each in versions[place:]}
        accepted = [(digest, batch.accepted_ms) for digest, batch in self.users.get(customer, ())]
        needless_ms = NEVER
        for later in versions[place:]:
            before = [digest for digest, at_ms in accepted if at_ms < later.at_ms]
            if before and before[-1] == later.line.identities:
                needless_ms = later.at_ms
                break
        while place and versions[place - 1].line.identities == versions[place].line.identities:
            place -= 1
        since_ms = versions[place].at_ms
        told_ms = min((at_ms for digest, at_ms in accepted if digest in enough and at_ms >= since_ms), default=NEVER)
        return min(needless_ms, told_ms)
