"""A simulated Quick Audience under the real Dispatch: an event queue with a clock of its own, so that hours pass in milliseconds."""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Claim, Commit, Delivered, Outcome, Partition, Retry, Unsent
from pipeline.job.batch import Batcher
from pipeline.job.dispatch import Dispatch
from pipeline.job.hold import Hold
from pipeline.job.in_flight import PendingMessage, PendingRecord
from pipeline.job.judgements import Judged, Judgement
from pipeline.job.partition_offsets import PartitionOffsets
from pipeline.report.verdict import judge
from schemas.log import RawRecord
from transforms.base import Kind

HOLD_MS = 900_000
_NONE = Judgement.NONE
TICK_MS = 100
"""How often the owner thread looks at its clock while a call is under way, and where one was a short time ago."""

POLL_MS = 10
"""The least time between two polls: the messages that arrive meanwhile come together."""

MOST_TICK_MS = 1_000
QUIET_PER_TICK = 10
"""In a long rest the owner looks less often than the job does: a rest ends a tenth later at most."""


def answered(status: int, code: str = "") -> Outcome:
    """What the job makes of an answer of Quick Audience."""
    body = {"RequestId": "R-1", "Success": False, "ErrorCode": code} if status == 200 else {"Code": code}
    return judge(status, {}, json.dumps(body).encode() if code else b"")


AWAY = answered(503)
UNKNOWN = answered(200, "ES0999")
ANSWERS = {
    "503": AWAY,
    "throttled": answered(400, "Throttling.User"),
    "internal": answered(500, "InternalError"),
    "unknown": UNKNOWN,
    "unknown status": answered(403),
    "parameter": answered(400, "InvalidParameter"),
    "too large": answered(413),
}


class Outage(NamedTuple):
    """A time in which calls of some operations fail in the same way: all, or a share of them by chance."""

    begin_ms: int
    end_ms: int
    kinds: tuple[Kind, ...] = tuple(Kind)
    answer: Outcome = UNKNOWN
    share: float = 1.0


class Call(NamedTuple):
    at_ms: int
    kind: Kind
    numbers: tuple[int, ...]
    is_accepted: bool


@dataclass
class World:
    """Messages arrive, the job sends them, the API answers after its latency; bad messages are refused, and in an outage all are."""

    arrivals: list[tuple[int, Kind, int]]  # time in ms, kind, number; in order of time
    bad: frozenset[int] = frozenset()
    outages: tuple[Outage, ...] = ()
    refusal: Outcome = UNKNOWN  # the answer to a bad message
    senders: int = 16
    latency_ms: tuple[int, int] = (30, 120)
    most_in_flight: int = 20_000
    hold_ms: int = HOLD_MS
    seed: int = 1
    judgements: Mapping[int, Judgement] = field(
        default_factory=dict
    )  # of an earlier run, by number; the code is that of `refusal`
    now_ms: int = 0
    calls: list[Call] = field(default_factory=list)
    delivered: dict[int, int] = field(default_factory=dict)  # number -> time
    refused: dict[int, int] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    holds: list[tuple[int, tuple[Hold, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.under_way: list[
            tuple[int, int, object, Outcome]
        ] = []  # (time of the answer, number of the call, batch, outcome)
        self.answers: list[tuple[object, Outcome | Unsent]] = []
        backoff = Backoff(200, 30_000, self.chance.random)
        batchers = [Batcher(kind, 100, 1 << 20, 1_000) for kind in Kind]
        self.dispatch = Dispatch(batchers, self, backoff, hold_ms=self.hold_ms)
        self.dispatch.find_judgements = self._find_judgements
        self.offsets = PartitionOffsets(Partition("log", 0), Commit(0, ""))
        self.waiting = list(reversed(self.arrivals))
        self.in_flight = 0
        self.busy_ms = 0  # when a call was under way, or a message arrived, last

    def _find_judgements(self, messages: Sequence[PendingMessage], code: str) -> None:
        for each in messages:
            if each.judged is None or each.judged.code != code:
                is_known = isinstance(self.refusal, Retry) and code == self.refusal.code
                each.judged = Judged(self.judgements.get(int(each.body), _NONE) if is_known else _NONE, code)

    # --- the senders, as Dispatch knows them

    @property
    def idle(self) -> int:
        return self.senders - len(self.under_way) - len(self.answers)

    def submit(self, batch: object, kind: Kind, messages: Sequence[bytes], deadline_ms: int) -> None:
        numbers = tuple(int(each) for each in messages)
        latency_ms = self.chance.randint(*self.latency_ms)
        arrives_ms = self.now_ms + latency_ms // 2
        outcome = self.outcome(arrives_ms, kind, numbers)
        self.calls.append(Call(arrives_ms, kind, numbers, isinstance(outcome, Delivered)))
        heapq.heappush(self.under_way, (self.now_ms + latency_ms, len(self.calls), batch, outcome))

    def wait(self, timeout_s: float) -> bool:
        return bool(self.answers)

    def collect(self) -> list[tuple[object, Outcome | Unsent]]:
        answers, self.answers = self.answers, []
        return answers

    # --- the API

    def outcome(self, at_ms: int, kind: Kind, numbers: tuple[int, ...]) -> Outcome:
        for outage in self.outages:
            is_on = outage.begin_ms <= at_ms < outage.end_ms and kind in outage.kinds
            if is_on and (outage.share >= 1 or self.chance.random() < outage.share):
                return outage.answer
        return self.refusal if self.bad.intersection(numbers) else Delivered()

    # --- the owner

    def run(self, until_ms: int = 10_000_000) -> World:
        """Run until everything has ended, the job halts, or the time is over."""
        while self.now_ms < until_ms:
            self._turn()
            if self.dispatch.halt or (not self.waiting and self.dispatch.is_idle):
                break
            self.now_ms = self._next_ms()
        return self

    def _turn(self) -> None:
        while self.under_way and self.under_way[0][0] <= self.now_ms:
            _, _, batch, outcome = heapq.heappop(self.under_way)
            self.answers.append((batch, outcome))
        answers = self.dispatch.collect(self.now_ms)
        for message in answers.delivered:
            assert int(message.body) not in self.delivered
            self.delivered[int(message.body)] = self.now_ms
        for message, refused in answers.refused:
            self.refused[int(message.body)] = self.now_ms
            self.reasons.add(refused.reason)
        self.in_flight -= len(answers.delivered) + len(answers.refused)
        added = []
        while self.waiting and self.waiting[-1][0] <= self.now_ms and self.in_flight < self.most_in_flight:
            _, kind, number = self.waiting.pop()
            added.append(self._message(kind, number))
            self.in_flight += 1
        self.dispatch.add(added, self.now_ms)
        self.dispatch.send(self.now_ms, self.now_ms + 30_000)
        if added or self.under_way:
            self.busy_ms = self.now_ms
        if (hold := self.dispatch.holds()) and (not self.holds or self.holds[-1][1] != hold):
            self.holds.append((self.now_ms, hold))

    def _next_ms(self) -> int:
        quiet_ms = 0 if self.under_way else self.now_ms - self.busy_ms
        times = [self.now_ms + max(TICK_MS, min(MOST_TICK_MS, quiet_ms // QUIET_PER_TICK))]
        if self.under_way:
            times.append(self.under_way[0][0])
        if self.waiting and self.in_flight < self.most_in_flight:
            times.append(max(self.now_ms + POLL_MS, self.waiting[-1][0]))
        if self.dispatch.is_idle and self.waiting:
            return max(self.now_ms + 1, self.waiting[-1][0])
        return min(times)

    def _message(self, kind: Kind, number: int) -> PendingMessage:
        message = PendingMessage(kind, str(number).encode(), Claim(number.to_bytes(16), bytes(8), bytes(8)))
        message.record = PendingRecord(RawRecord("log", 0, number, -1, None, b""), self.offsets, 0)
        return message

    # --- what came of it

    def good(self, kind: Kind | None = None) -> set[int]:
        return {number for _, each, number in self.arrivals if number not in self.bad and kind in {None, each}}

    def calls_in(self, begin_ms: int, end_ms: int, kind: Kind | None = None) -> list[Call]:
        return [call for call in self.calls if begin_ms <= call.at_ms < end_ms and kind in {None, call.kind}]


def steady(count: int, every_ms: float, kinds: Sequence[Kind] = tuple(Kind)) -> list[tuple[int, Kind, int]]:
    """Messages that arrive one after the other, of the kinds in turn. `every_ms` may be a fraction."""
    return [(int(number * every_ms), kinds[number % len(kinds)], number) for number in range(count)]
