"""When a second acceptance is excused.

Nobody could know of the first one where

* its answer was cut: it never reached the client, or later than the client waits;
* its answer reached a process that was killed at once, before it could remember: at most the batches in flight, `senders` for each process;
* the same for a process that stood still beyond its lease: while it does, it is as good as dead to the others;
* the store lost its memory between the claim of the first and the second.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from tests.soak.evidence import AcceptedBatch, Interruption, LoggedLine
from tests.soak.judge.facts import Facts
from tests.soak.kinds import NATURES, Place

REMEMBERED_MS = 500
"""The longest time from an answer's arrival to its confirmation in the store: one turn of the job's loop, on a machine that has much to do.

An answer that came earlier was not in flight at a kill. Beside a fault of the store it may be: nothing can be confirmed until that fault ends.
"""

CLOCKS_MS = 250
"""The times of the proxy, of the stand-in and of a signal differ by less."""


class Excuses:
    """Decides whether a second acceptance is excused, and counts the batches of each interruption."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._evidence = facts.evidence
        self._store_faults = [each for each in facts.evidence.faults if NATURES[each.kind].place is Place.STORE]
        self.reasons: Counter[str] = Counter()
        self.unknown = sum(each.passed_ms is not None and each.client is None for each in self._evidence.accepted)
        """Answers that arrived at a process that the proxy could not tell. Any interrupted process may have been it."""
        self.in_flight: dict[Interruption, set[str]] = defaultdict(set)

    def is_excused(self, before: AcceptedBatch, again: AcceptedBatch, records: Iterable[LoggedLine]) -> bool:
        """Whether nobody could know of the acceptance `before` when the message was sent `again`. The reason is counted. `records` tell the message."""
        if self._was_cut(before) or (self._was_cut(again) and again.received_ms <= before.accepted_ms):
            self.reasons["twice, after a cut answer"] += 1
            return True
        if (interruption := self._interruption_of(before)) is not None:
            self.in_flight[interruption].add(before.request_id)
            self.reasons[f"twice, in flight at a {interruption.signal}"] += 1
            return True
        if self._facts.is_forgotten(before.accepted_ms, again.accepted_ms, records):
            self.reasons["twice, after the store lost its memory"] += 1
            return True
        return False

    def _was_cut(self, batch: AcceptedBatch) -> bool:
        return batch.passed_ms is None or batch.passed_ms - batch.received_ms > self._evidence.slow_ms

    def _interruption_of(self, batch: AcceptedBatch) -> Interruption | None:
        """Return an interruption of the process that got the answer, at which the batch was in flight. A process has `senders` of them at most."""
        for interruption in self._evidence.interruptions:
            batches = self.in_flight[interruption]
            if (
                batch.client in {interruption.pid, None}
                and self._is_in_flight(batch, interruption)
                and (batch.request_id in batches or len(batches) < self._evidence.senders)
            ):
                return interruption
        return None

    def _is_in_flight(self, batch: AcceptedBatch, interruption: Interruption) -> bool:
        assert batch.passed_ms is not None
        known_ms = self._confirmed_ms(batch.passed_ms)
        if interruption.signal == "SIGSTOP":
            # Received before the stop; the answer may have come while the process stood still.
            return batch.received_ms <= interruption.at_ms + CLOCKS_MS and interruption.at_ms <= known_ms
        return batch.passed_ms - CLOCKS_MS <= interruption.at_ms <= known_ms

    def _confirmed_ms(self, passed_ms: int) -> int:
        """Return when an answer that arrived at a moment is confirmed at the latest."""
        ends = [each.to_ms for each in self._store_faults if each.from_ms - REMEMBERED_MS <= passed_ms <= each.to_ms]
        return max(passed_ms, *ends) + REMEMBERED_MS if ends else passed_ms + REMEMBERED_MS
