"""Workers with the real dispatch, one clock, and one API; and what came of it."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from random import Random

from pipeline.contracts.rate_table import RateTable
from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Claim, Commit, Delivered, Outcome, Partition, Retry, Unsent
from pipeline.dedup.rates import MemoryRates
from pipeline.job.batch import Batcher
from pipeline.job.dispatch import Dispatch
from pipeline.job.flow.bounds import FlowBounds
from pipeline.job.flow.control import RateLimits
from pipeline.job.flow.shared_limit import SharedLimit
from pipeline.job.in_flight import PendingMessage, PendingRecord
from pipeline.job.partition_offsets import PartitionOffsets
from schemas.log import RawRecord
from tests.flow.service import Service
from transforms.base import Kind

TURN_MS = 10
"""How often the owner thread of a worker goes around its loop."""

READY, RESUMES = 32, 8
"""Reading pauses when more batches than this wait for a sender, and goes on when no more than that do."""

UNFINISHED = 20_000
"""The largest number of messages of a worker that are not finished."""

READ_AT_ONCE = 500


@dataclass
class Second:
    """What happened in one second, in calls."""

    accepted: Counter[Kind] = field(default_factory=Counter)
    throttled: Counter[Kind] = field(default_factory=Counter)
    failed: Counter[Kind] = field(default_factory=Counter)
    limit: Counter[Kind] = field(default_factory=Counter)  # at its end
    took_ms: list[int] = field(default_factory=list)


class Worker:
    """One process: its dispatch, its senders, and its unread records. The kinds of its messages come in turn, as in a log."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.under_way: list[tuple[int, int, object, Outcome]] = []
        self.answers: list[tuple[object, Outcome | Unsent]] = []
        self.in_flight = 0
        self.calls = 0
        self._pauses = False
        self._unread_from_ms = 0.0
        limits = {
            kind: RateLimits(
                self._limits("calls", kind, world.limits.get("calls")),
                self._limits(kind.value, kind, world.limits.get(kind.value)),
            )
            for kind in Kind
        }
        self.dispatch = Dispatch(
            [Batcher(kind, world.batch, 1 << 20, 1_000) for kind in Kind],
            self,
            Backoff(200, world.backoff_most_ms, Random(number).random),
            bounds=FlowBounds(world.senders, world.least),
            limits=limits,
        )

    def _limits(self, name: str, kind: Kind, per_second: float | None) -> list[SharedLimit]:
        world = self.world
        bucket = f"{kind}-{name}".encode()
        return [SharedLimit(name, per_second, world.table, bucket, lambda: world.now_ms)] if per_second else []

    # --- the senders, as Dispatch knows them

    @property
    def idle(self) -> int:
        return self.world.senders - len(self.under_way) - len(self.answers)

    def submit(self, batch: object, kind: Kind, messages: Sequence[bytes], deadline_ms: int) -> None:
        world = self.world
        outcome, took_ms = world.service.call(kind, len(messages), world.now_ms)
        if took_ms >= world.timeout_ms:
            outcome, took_ms = Retry("ReadTimeout", "no answer in time", in_doubt=True), world.timeout_ms
        if isinstance(outcome, Delivered):
            outcome = outcome._replace(took_ms=took_ms)
        self.calls += 1
        world.note(kind, outcome, took_ms)
        heapq.heappush(self.under_way, (world.now_ms + took_ms, self.calls, batch, outcome))

    def wait(self, timeout_s: float) -> bool:
        return bool(self.answers)

    def collect(self) -> list[tuple[object, Outcome | Unsent]]:
        answers, self.answers = self.answers, []
        return answers

    # --- the loop

    def turn(self) -> None:
        now_ms = self.world.now_ms
        while self.under_way and self.under_way[0][0] <= now_ms:
            self.answers.append(heapq.heappop(self.under_way)[2:])
        answers = self.dispatch.collect(now_ms)
        assert not answers.refused  # no dead letter
        assert not self.dispatch.halt
        self.in_flight -= len(answers.delivered)
        self._read(now_ms)
        self.dispatch.send(now_ms, now_ms + 30_000)

    def _read(self, now_ms: int) -> None:
        ready = self.dispatch.ready
        self._pauses = ready > READY or (self._pauses and ready > RESUMES)
        if self._pauses or self.in_flight >= UNFINISHED:
            return
        most = READ_AT_ONCE
        if (per_second := self.world.arrivals) is not None:
            most = (
                min(most, int((now_ms - self._unread_from_ms) * per_second / 1_000))
                // len(self.world.mix)
                * len(self.world.mix)
            )
            self._unread_from_ms += most * 1_000 / per_second
        self.dispatch.add((self.world.message(number) for number in range(most)), now_ms)
        self.in_flight += most


@dataclass
class World:
    """A run. `mix` are the kinds of messages in the log, over and over. `arrivals` are messages a second for each worker; None: a backlog."""

    service: Service
    workers: int = 1
    senders: int = 16
    least: int = 1
    batch: int = 10
    mix: tuple[Kind, ...] = (Kind.EVENT,)
    arrivals: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    backoff_most_ms: int = 5_000
    timeout_ms: int = 10_000
    now_ms: int = 0
    seconds: list[Second] = field(default_factory=list)
    calls: list[tuple[int, Kind, bool]] = field(default_factory=list)  # time, kind, whether accepted
    table: RateTable = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.table = self.table or MemoryRates({}, lambda: self.now_ms)
        offsets = PartitionOffsets(Partition("log", 0), Commit(0, ""))
        self._messages = [PendingMessage(kind, b"{}", Claim(bytes(16), bytes(8), bytes(8))) for kind in self.mix]
        for message in self._messages:
            message.record = PendingRecord(RawRecord("log", 0, 0, -1, None, b""), offsets, 0)
        self.each = [Worker(self, number) for number in range(self.workers)]

    def message(self, number: int) -> PendingMessage:
        """Return a message of the log. One object stands for all messages of its kind."""
        return self._messages[number % len(self._messages)]

    def run(self, until_s: float) -> World:
        """Run until this time."""
        while self.now_ms < until_s * 1_000:
            for worker in self.each:
                worker.turn()
            next_ms = self._next_ms()
            if next_ms // 1_000 > self.now_ms // 1_000:
                self._note_limits()
            self.now_ms = next_ms
        self._note_limits()
        return self

    def note(self, kind: Kind, outcome: Outcome, took_ms: int) -> None:
        """Note a call."""
        second = self.second(self.now_ms // 1_000)
        self.calls.append((self.now_ms, kind, isinstance(outcome, Delivered)))
        if isinstance(outcome, Delivered):
            second.accepted[kind] += 1
            second.took_ms.append(took_ms)
        elif isinstance(outcome, Retry) and outcome.throttled:
            second.throttled[kind] += 1
        else:
            second.failed[kind] += 1

    def second(self, number: int) -> Second:
        """Return a second, which may have no call."""
        while len(self.seconds) <= number:
            self.seconds.append(Second())
        return self.seconds[number]

    def _note_limits(self) -> None:
        second = self.second(self.now_ms // 1_000)
        second.limit = Counter()
        for worker in self.each:
            for flow in worker.dispatch.flows(self.now_ms):
                second.limit[flow.kind] += flow.limit

    def _next_ms(self) -> int:
        """Return the next time at which something happens: nothing does while all wait for the end of a pause."""
        if any(worker.under_way or worker.answers for worker in self.each):
            return self.now_ms + TURN_MS
        flows = [flow for worker in self.each for flow in worker.dispatch.flows(self.now_ms)]
        if not flows or any(flow.until_ms is None for flow in flows):
            return self.now_ms + TURN_MS
        return max(self.now_ms + TURN_MS, min(flow.until_ms or 0 for flow in flows))

    # --- what came of it

    def used(self, from_s: float, to_s: float, kind: Kind = Kind.EVENT) -> float:
        """Return the accepted calls a second."""
        first, end = (bisect_left(self.calls, at_s * 1_000, key=itemgetter(0)) for at_s in (from_s, to_s))
        return sum(each is kind and is_accepted for _, each, is_accepted in self.calls[first:end]) / (to_s - from_s)

    def throttled(self, kind: Kind = Kind.EVENT) -> float:
        """Return the share of calls that were throttled."""
        throttled = sum(second.throttled[kind] for second in self.seconds)
        return throttled / max(1, throttled + sum(second.accepted[kind] for second in self.seconds))
