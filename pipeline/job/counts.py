"""What a job counts beside its books and its calls, for the metrics. Every count only grows, and the sum over several processes has a meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from pipeline.job.flow.state import FlowState, Slowed
from pipeline.job.histogram import DELIVERY_MS, STORE_MS, Histogram
from pipeline.job.unfinished_times import known_times
from schemas.refusal import ReasonCode, Stage
from transforms.base import Kind

MOST_EVENT_CODES = 100
"""The most event codes that are counted each by itself. A rule may take the code from the log, which may hold anything."""

OTHER_EVENT_CODES = "other"


class MessageOutcome(StrEnum):
    """How a message ended."""

    REPORTED = "reported"
    DUPLICATE = "duplicate"
    REDELIVERED = "redelivered"  # a duplicate from the very record that was read before
    REFUSED = "refused"


class StoreVerb(StrEnum):
    """The questions to the dedup store whose time is measured."""

    CLAIM = "claim"
    CONFIRM = "confirm"
    SYNC = "sync"


class EndedMessages(NamedTuple):
    """Messages that ended in the same way: their kind, their event code ("" for identities), and the outcome."""

    kind: Kind
    event_code: str
    outcome: MessageOutcome


@dataclass(slots=True)
class Counts:
    """The counts of one process since it started.

    `delivery_ms` has the time from the Kafka time of a record to the report of each of its messages, in ms. `store_ms` has the times of the
    questions to the dedup store in ms. `waited_ms` is the time in which batches had to wait although a sender was idle.

    `commits` the brokers took, `commits_failed` they did not. A rebalance counts when it brings partitions
    or takes some away.
    """

    messages: dict[EndedMessages, int] = field(default_factory=dict)
    dead_letters: dict[tuple[Stage, ReasonCode], int] = field(default_factory=dict)
    delivery_ms: dict[Kind, Histogram] = field(default_factory=lambda: {kind: Histogram(DELIVERY_MS) for kind in Kind})
    store_ms: dict[StoreVerb, Histogram] = field(
        default_factory=lambda: {verb: Histogram(STORE_MS) for verb in StoreVerb}
    )
    waited_ms: dict[tuple[Kind, Slowed], int] = field(default_factory=dict)
    commits: int = 0
    commits_failed: int = 0
    rebalances: int = 0

    def ended(self, kind: Kind, event_code: str, outcome: MessageOutcome, messages: int = 1) -> None:
        """Count messages that ended. Event codes beyond the first `MOST_EVENT_CODES` are counted together, as `other`."""
        found = EndedMessages(kind, event_code, outcome)
        if found not in self.messages:
            known = {each.event_code for each in self.messages} - {"", OTHER_EVENT_CODES}
            if event_code and event_code not in known and len(known) >= MOST_EVENT_CODES:
                found = found._replace(event_code=OTHER_EVENT_CODES)
        self.messages[found] = self.messages.get(found, 0) + messages

    def reported(self, event_codes: Sequence[str], times_ms: Sequence[int | None], now_ms: int) -> None:
        """Count messages that were reported now: the event code of each ("" for identities), and the Kafka time of its record: below 0, or None, without one."""
        known_ms = known_times(times_ms)
        counted = Counter(event_codes)
        for event_code, messages in counted.items():
            self.ended(_kind_of(event_code), event_code, MessageOutcome.REPORTED, messages)
        users = counted[""]
        if users and users < len(event_codes):
            for kind in Kind:
                of_kind = [
                    time_ms for code, time_ms in zip(event_codes, known_ms, strict=True) if _kind_of(code) is kind
                ]
                self._delivered(kind, of_kind, now_ms)
        else:  # as in nearly all calls
            self._delivered(Kind.USER if users else Kind.EVENT, known_ms, now_ms)

    def _delivered(self, kind: Kind, times_ms: Sequence[int], now_ms: int) -> None:
        if times_ms and min(times_ms) < 0:
            times_ms = [time_ms for time_ms in times_ms if time_ms >= 0]
        self.delivery_ms[kind].observe_ages(now_ms, times_ms)

    def dead_lettered(self, stage: Stage, reason: ReasonCode) -> None:
        """Count a record whose dead letter is durable."""
        self.dead_letters[stage, reason] = self.dead_letters.get((stage, reason), 0) + 1

    def committed(self, *, is_taken: bool) -> None:
        """Count a commit, which the brokers took or did not take."""
        self.commits += is_taken
        self.commits_failed += not is_taken

    def add(self, other: Counts) -> None:
        """Add what another process has counted."""
        for found, messages in other.messages.items():
            self.ended(*found, messages)
        for place, letters in other.dead_letters.items():
            self.dead_letters[place] = self.dead_letters.get(place, 0) + letters
        for kind, histogram in other.delivery_ms.items():
            self.delivery_ms[kind].add(histogram)
        for verb, histogram in other.store_ms.items():
            self.store_ms[verb].add(histogram)
        for why, time_ms in other.waited_ms.items():
            self.waited_ms[why] = self.waited_ms.get(why, 0) + time_ms
        self.commits += other.commits
        self.commits_failed += other.commits_failed
        self.rebalances += other.rebalances

    def with_waits(self, flows: Iterable[FlowState]) -> Counts:
        """Return a copy that does not change with this one, and has the waits of all operations."""
        copied = Counts()
        copied.add(self)
        copied.waited_ms = {(flow.kind, why): time_ms for flow in flows for why, time_ms in flow.held_ms.items()}
        return copied


def _kind_of(event_code: str) -> Kind:
    """Return the kind of a message: each event has a code, and identities have none."""
    return Kind.EVENT if event_code else Kind.USER
