"""The composition root: it builds a running job from a validated source file. Only this file knows all rooms of a job."""

from __future__ import annotations

import gc
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pipeline.config.source_file import SourceFile
from pipeline.contracts.deadline import Deadline, EndStep
from pipeline.contracts.interfaces import DeadLetters, DedupStore, Reporter, Source
from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import LostToRetention
from pipeline.dead_letters.headers import DeadLetterHeaders
from pipeline.dead_letters.limit import DeadLetterLimit
from pipeline.dedup import open_store
from pipeline.dedup.clocks import machine_clocks
from pipeline.job.batch import Batcher
from pipeline.job.converter import Converter
from pipeline.job.counts import Counts
from pipeline.job.dispatch import Dispatch
from pipeline.job.flow.bounds import FlowBounds
from pipeline.job.group_store import GroupStore
from pipeline.job.parts import Parts
from pipeline.job.runner import Runner
from pipeline.job.status import Status
from pipeline.job.timed_store import TimedStore
from pipeline.kafka_io.bounded_fetch import ReadBounds
from pipeline.kafka_io.dead_letters import KafkaDeadLetters
from pipeline.kafka_io.source import KafkaSource
from pipeline.report.client import ReporterClient
from pipeline.report.credentials import CredentialsSource
from pipeline.report.sender_pool import SenderThreads
from pipeline.runtime.build_converter import build_converter
from pipeline.runtime.build_flow import build_flow_limits, build_limits
from pipeline.runtime.cpu_affinity import CpuAffinity
from pipeline.runtime.loop_watch import LoopWatch
from pipeline.runtime.process_names import process_name
from transforms.base import Kind

COLLECT_AFTER = (10_000, 20, 20)
"""The thresholds of `gc`. The values made for a record form no reference cycles, so collecting less often is safe; it saves 6 % of the job's CPU."""


SENDERS_LIMIT_MS = 500
"""The wait for the threads of calls that were not answered in the end of the job: nobody collects their outcome any more."""


def now_ms() -> int:
    """Return the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Hooks:
    """The functions that a running job calls: with each status, with a status before each commit, and with each loss of offsets.

    `has_ended` says whether the input has ended.
    """

    on_status: Callable[[Status], None] = lambda _: None
    before_commit: Callable[[Status], None] | None = None
    on_lost: Callable[[LostToRetention], None] = lambda _: None
    has_ended: Callable[[], bool] = lambda: False


class Job:
    """The job of one process. The context manager opens its parts, and closes them in the reverse order."""

    def __init__(
        self,
        source: SourceFile,
        environment: Mapping[str, str],
        hooks: Hooks,
        *,
        slot: int = 0,
        static_id: str | None = None,
        new_store: bool = False,
    ) -> None:
        """`slot` is the number of a worker. `static_id` makes the job a static member of its group. `new_store` accepts any dedup store."""
        self._file = source
        self._environment = environment
        self._hooks = hooks
        self._name = process_name(source, slot)
        self._static_id = static_id
        self._new_store = new_store
        self._clocks = machine_clocks()
        """What is due, and when a lease has ended, is decided by the clock that is never set."""
        self.deadline = Deadline(self._clocks.boot)
        """By when the job's end must be over, once it has begun."""
        self._stack = ExitStack()
        self._runner: Runner | None = None
        self._told_ms: int | None = None  # when the loop told its last status

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(gc.set_threshold, *gc.get_threshold())
            gc.set_threshold(*COLLECT_AFTER)
            if self._file.limits.cpu == "one":
                stack.enter_context(CpuAffinity())
            make_reporter = self.make_reporter()  # first: without credentials no other part needs to be opened
            store = self.open_store()
            stack.callback(store.close)
            self.check_store(GroupStore(store.identity, is_new=self._new_store))
            source = self.open_source()
            stack.callback(source.close)
            dead_letters = self.open_dead_letters()
            stack.callback(dead_letters.close)
            senders = SenderThreads(make_reporter, self._file.report.senders, self._clocks.boot)
            stack.callback(lambda: senders.close(self.deadline.limit_ms(SENDERS_LIMIT_MS) / 1000))
            self._runner = self._assemble(store, source, dead_letters, senders)
            stack.enter_context(LoopWatch(self._expected_ms, self._clocks.boot))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def runner(self) -> Runner:
        """The loop, once the job is open."""
        assert self._runner is not None  # noqa: S101 - used only inside the `with` block
        return self._runner

    @property
    def is_open(self) -> bool:
        """Whether the loop can run: before, the job waits for Kafka, or for its dedup store."""
        return self._runner is not None

    def _tell(self, status: Status) -> None:
        self._told_ms = status.at_ms
        self._hooks.on_status(status)

    def _expected_ms(self) -> int | None:
        """Return the time of the last status, if the loop must tell one by now."""
        return None if self.deadline.has_begun else self._told_ms

    def begin_end(self) -> None:
        """Begin the deadline of a stop. Any thread may call it: the main thread may stand still where it cannot be told to stop."""
        if self._runner is None:
            self.deadline.begin(0, EndStep.CLOSE)
        else:
            self.deadline.begin(self._file.stop.grace, EndStep.FINISH)

    def stop(self) -> None:
        """Stop the loop, which finishes the records in flight. Safe in a signal handler.

        Raises:
            KeyboardInterrupt: the job still waits for Kafka, so no record is in flight.
        """
        self.begin_end()
        if self._runner is None:
            raise KeyboardInterrupt
        self._runner.stop()

    def open_store(self) -> DedupStore:
        """Return the opened dedup store. This process is its owner."""
        return open_store(self._file.dedup, self._name, self._clocks, self._environment, self.wait_for_store)

    def wait_for_store(self, reason: str, pause_ms: int) -> bool:
        """Wait for a dedup store that does not answer, if the loop may; see `StoreWait`. A signal handler that raises ends the wait."""
        if self._runner is not None and not self._runner.may_wait_for_store(reason):
            return False
        time.sleep(pause_ms / 1000)
        return True

    def check_store(self, group_store: GroupStore) -> None:
        """Do nothing: the loop checks the store against the commits of each partition that it is assigned."""

    def open_source(self) -> Source:
        """Return the source, which joins the consumer group."""
        return KafkaSource(
            self._file.kafka,
            client_id=self._name,
            environment=self._environment,
            static_id=self._static_id,
            deadline=self.deadline,
            bounds=ReadBounds.of(self._file.limits.record, self._file.limits.in_flight),
        )

    def make_converter(self) -> Converter:
        """Return the converter of records to messages."""
        return build_converter(self._file, self._environment)

    def open_dead_letters(self) -> DeadLetters:
        """Return the writer of dead letters."""
        make_headers = DeadLetterHeaders(self._file.source, now_ms)
        return KafkaDeadLetters(
            self._file.kafka,
            self._file.dead_letters.topic,
            make_headers,
            client_id=f"{self._name}-dead",
            environment=self._environment,
            deadline=self.deadline,
        )

    def make_reporter(self) -> Callable[[], Reporter]:
        """Return the function that creates the client of one sender thread."""
        report = self._file.report
        credentials = CredentialsSource(report.credentials, self._environment)
        return lambda: ReporterClient(report, credentials, clock=time.time, nonce=lambda: secrets.token_hex(16))

    def _assemble(self, store: DedupStore, source: Source, dead_letters: DeadLetters, senders: SenderThreads) -> Runner:
        file, batch = self._file, self._file.report.batch
        backoff = Backoff(file.report.backoff.first, file.report.backoff.longest, secrets.SystemRandom().random)
        batchers = [Batcher(kind, batch.events, batch.bytes, batch.age) for kind in Kind]
        dispatch = Dispatch(
            batchers,
            senders,
            backoff,
            hold_ms=file.report.unknown_hold,
            bounds=FlowBounds(file.report.senders, file.report.flow.least_senders),
            limits=build_limits(file.report, store, self._clocks.boot),
        )
        counts = Counts()
        store = TimedStore(store, counts.store_ms, time.perf_counter)
        parts = Parts(
            source,
            self.make_converter(),
            store,
            dispatch,
            dead_letters,
            DeadLetterLimit(file.dead_letters.stop_above, file.dead_letters.window),
            self.deadline,
            counts,
            now_ms,
        )
        hooks = self._hooks
        return Runner(
            parts,
            build_flow_limits(file),
            self._clocks.boot,
            on_status=self._tell,
            before_commit=hooks.before_commit,
            on_lost=hooks.on_lost,
            has_ended=hooks.has_ended,
            new_store=self._new_store,
        )
