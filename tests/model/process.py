"""One process of the model: the real loop, dispatch, claims and converter, with a clock, a source and senders of the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.interfaces import Decoded
from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Claim, ClaimResult, Outcome, Pending, Unsent
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.decode import DecodeLimits, build_decoder
from pipeline.dedup.lmdb_store.store_clock import StoreClock
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.errors import Log2mqError, StoreUnavailable
from pipeline.job.batch import Batcher
from pipeline.job.converter import Converter, Identity
from pipeline.job.dispatch import Dispatch
from pipeline.job.flow.bounds import FlowBounds
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.parts import Parts
from pipeline.job.runner import Runner
from pipeline.job.status import Status
from tests.model.kafka import DeadLetterWriter, Member
from tests.model.records import MAPPING
from transforms.base import Kind
from transforms.mapping import compile_mapping

if TYPE_CHECKING:
    from tests.model.world import World

LEASE_MS = 3_000
WAIT_MS = 5_000
"""How long a slow answer of the brokers takes."""
LOOK_MS = 100
"""The time between two looks of a process that waits for the brokers."""
KEEP_MS = 10**9
HOLD_MS = 600_000
"""How long a refusal without a contrast is held: longer than any outage of the model."""

THREADS = 3
"""Calls at the same time."""

BATCH = 10
"""Messages of a batch at most."""


_DECODE = build_decoder("json", {}, DecodeLimits())


@dataclass
class Call:
    """One call of a sender thread."""

    batch: object
    kind: Kind
    messages: list[bytes]
    may_write: Callable[[], bool]
    answer: Outcome | Unsent | None = None  # once the API has it
    answered_ms: int = 0  # when the answer arrives

    def numbers(self) -> list[str]:
        """Return the outBizIds of its events."""
        return [json.loads(each)["extendAttributes"]["outBizId"] for each in self.messages if self.kind is Kind.EVENT]

    def customers(self) -> list[str]:
        """Return the customers of its user messages."""
        return [json.loads(each)["customerId"] for each in self.messages if self.kind is Kind.USER]


class Senders:
    """Sender threads of one process. A call reaches the API at once or later, and its answer takes a while."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.calls: list[Call] = []
        self.unconfirmed: list[Call] = []  # collected, and not confirmed yet

    @property
    def idle(self) -> int:
        """The threads that have nothing to do."""
        return THREADS - len(self.calls)

    def submit(self, batch: object, kind: Kind, messages: Sequence[bytes], deadline_ms: int) -> None:
        """Begin a call. A process may stand still between this moment and the moment in which the thread writes."""
        process = self._process
        call = Call(batch, kind, list(messages), lambda: process.world.now_ms < deadline_ms)
        self.calls.append(call)
        process.pause_point()
        if process.world.chance.random() < 0.7:
            self._write(call)

    def wait(self, _timeout_s: float) -> bool:
        """Let a little time pass."""
        self._process.clock()
        return any(self._is_answered(call) for call in self.calls)

    def collect(self) -> list[tuple[object, Outcome | Unsent]]:
        """Return the answers that have arrived."""
        for call in self.calls:
            if call.answer is None:
                self._write(call)
        done = [call for call in self.calls if self._is_answered(call)]
        self.calls = [call for call in self.calls if call not in done]
        self.unconfirmed = done
        return [(call.batch, call.answer) for call in done if call.answer is not None]

    def _write(self, call: Call) -> None:
        world = self._process.world
        call.answered_ms = world.now_ms + world.chance.choice([0, 5, 50, 500])
        call.answer = world.answer(call) if call.may_write() else Unsent()

    def _is_answered(self, call: Call) -> bool:
        return call.answer is not None and call.answered_ms <= self._process.world.now_ms


class ModelStore(MemoryStore):
    """A store of the process, with the clock of an embedded store. The process may stand still before and after each question."""

    process: Process

    def confirm(self, claims: Sequence[Claim]) -> None:
        """Remember messages, and dead letters, also while the disk is full."""
        super().confirm(claims)
        self.process.senders.unconfirmed = []
        self.process.writer.unconfirmed = []

    def sync(self) -> None:
        """Make nothing durable while the disk is full."""
        self._require_room()

    def sweep(self) -> int:
        """Move nothing while the disk is full."""
        self._require_room()
        return super().sweep()

    def _require_room(self) -> None:
        if self.process.world.is_disk_full:
            raise StoreUnavailable("the disk is full")

    def claim(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Ask, and perhaps stand still around it. Grant nothing that could not be confirmed."""
        self.process.pause_point()
        self._require_room()
        results = super().claim(claims)
        self.process.pause_point()
        return results


class Process:
    """A process that runs, stands still, is stopped or is killed."""

    def __init__(self, world: World, name: str, table: MemoryTable) -> None:
        self.world = world
        self.name = name
        self.is_busy = False  # it stands still, or waits in its end: its loop does not go around
        self.is_ending = False
        self.is_waiting = False  # for the brokers
        self.points_to_go = 0  # pause points until it stands still; 0 for never
        self.senders = Senders(self)
        self.store = ModelStore(table, name, KEEP_MS, LEASE_MS, StoreClock(world.clocks, world.anchor_ms).now_ms)
        self.store.process = self
        self.member = Member(world.group, name, world.chance, self.wait_for_brokers)
        self.deadline = Deadline(self.clock)
        self.writer = DeadLetterWriter(world.dead, world.chance)
        backoff = Backoff(20, 200, world.chance.random)
        self.runner = Runner(
            Parts(
                self.member,
                Converter(self._decode, compile_mapping(MAPPING), Identity("org-1")),
                self.store,
                Dispatch(
                    [Batcher(kind, BATCH, 1 << 20, 50) for kind in Kind],
                    self.senders,
                    backoff,
                    hold_ms=HOLD_MS,
                    bounds=FlowBounds(THREADS),
                ),
                self.writer,
                DeadLetterLimit(world.stop_above, 20),
                self.deadline,
            ),
            FlowLimits(400, 60_000, ready_batches=4, commit_records=30, commit_every_ms=100, lease_ms=LEASE_MS),
            self.clock,
            on_status=self._tell,
            before_commit=self._tell,
        )

    def clock(self) -> int:
        """Return the time. Each look takes a millisecond."""
        self.world.now_ms += 1
        if self.is_ending:
            self.world.run(but=self)
        self.pause_point()
        return self.world.now_ms

    def _tell(self, status: Status) -> None:
        self.world.note_status(self.name, status)

    def _decode(self, value: bytes) -> Decoded:
        """Decode a value, if the model's Schema Registry is there, or by chance has answered already."""
        if self.world.is_registry_away and self.world.chance.random() < 0.3:
            return Pending("away", 30)
        return _DECODE(value)

    def pause_point(self) -> None:
        """Stand still here, if it is time: other processes run meanwhile."""
        if self.points_to_go:
            self.points_to_go -= 1
            if not self.points_to_go:
                self.world.stand_still(self)

    def wait_for_brokers(self) -> None:
        """Wait for an answer as the thread of a loop does, which keeps its lease meanwhile. The other processes run.

        There is no wait while another process stands still or ends: that one could not keep its own lease meanwhile.
        """
        if any(each.is_busy and not each.is_waiting for each in self.world.processes.values() if each is not self):
            return
        was_busy, self.is_busy, self.is_waiting = self.is_busy, True, True
        for _ in range(WAIT_MS // LOOK_MS):
            self.world.run(but=self, step_ms=LOOK_MS)
            self.deadline.while_waiting()
        self.is_busy, self.is_waiting = was_busy, False

    def turn(self) -> None:
        """Go once around the loop. An error ends the process as it ends a job."""
        try:
            self.runner.turn()
        except Log2mqError as error:
            self.member.error = error
            self.end()

    def end(self) -> None:
        """End as a job does: by its own error, or by a stop."""
        self.is_busy = self.is_ending = True
        if self.member.error is None:
            self.runner.stop()
        with suppress(Log2mqError):
            self.runner.run()
        self.store.close()
        self.world.ended(self)
