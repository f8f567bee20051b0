"""The supervisor of `run --workers N`: N worker processes of one consumer group.

A worker that died, or ended with an error that may pass, is started again. An error that a person must correct ends all workers.
Each worker is spawned, not forked: a fork would copy open sockets, threads and the memory map of the store.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, Queue

from pipeline.contracts.deadline import Deadline, EndStep
from pipeline.contracts.log_events import LogEvent
from pipeline.errors import EXIT_FAULT, Log2mqError, WorkerFailed, WorkUnfinished
from pipeline.job.status import Status
from pipeline.observe.job_view import WorkerView
from pipeline.runtime.restart_policy import RestartPolicy, is_everyones
from pipeline.runtime.supervisor_pipe import WorkerMessage
from pipeline.runtime.worker_notes import WorkerNote
from pipeline.runtime.worker_slot import HUNG_S, FromWorker, Inbox, WorkerSlot, WorkerTarget

SPARE_MS = 2_000
"""The time after the end of a worker's own deadline before it is killed. Only a worker that stands still needs it."""
GRACE_MS = 30_000
LOOK_S = 0.25
MOST_UNREAD = 1_000
"""The most messages of workers that wait for the supervisor."""


class Supervisor:
    """Starts workers, starts them again with back-off, and stops all workers after a stop or a halt."""

    def __init__(
        self,
        target: WorkerTarget,
        count: int,
        on_status: Callable[[list[Status]], None],
        on_note: Callable[[WorkerNote], None],
        policy: RestartPolicy = RestartPolicy(),  # noqa: B008 - a frozen value
        *,
        grace_ms: int = GRACE_MS,
        on_line: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Start nothing yet. `on_status` gets `statuses` after each change, `on_note` a note about a start or a death, `on_line` a log line of a worker.

        `grace_ms` is the time that a stop of a worker may take.
        """
        self._target = target
        self._context = multiprocessing.get_context("spawn")
        self._policy = policy
        self._slots = [WorkerSlot(number, policy) for number in range(count)]
        self._inbox: Inbox = Queue(MOST_UNREAD)
        self._on_status = on_status
        self._on_note = on_note
        self._on_line = on_line
        self._grace_ms = grace_ms
        self._failure: Log2mqError | None = None
        self._targets: deque[tuple[WorkerTarget, int]] = deque()  # to go on with, the newest last
        self._to_replace: list[WorkerSlot] = []  # these run with the former target
        self._shown_s, self._looked_s = 0.0, time.monotonic()
        self._killed: list[WorkerSlot] = []  # they did not end in time
        self.deadline = Deadline()
        """By when all workers and the supervisor must have ended, once the end has begun."""

    def stop(self) -> None:
        """Ask all workers to finish and end. Safe in a signal handler."""
        self.deadline.begin(self._grace_ms + SPARE_MS, EndStep.CLOSE)

    def reload(self, target: WorkerTarget, grace_ms: int) -> None:
        """Start the workers again, one after the other, with another target and `grace_ms`: each finishes what is in flight first. Any thread may call it."""
        self._targets.append((target, grace_ms))

    @property
    def is_reloading(self) -> bool:
        """Whether a worker does not run with the newest target yet."""
        have_begun = all(slot.has_begun or slot.is_done for slot in self._slots)
        return bool(self._targets or self._to_replace) or not have_begun

    def kill(self) -> None:
        """Kill all workers. Any thread may do so."""
        for slot in self._slots:
            slot.kill()

    @property
    def pids(self) -> list[int]:
        """The process IDs of the workers that are alive."""
        return [pid for slot in self._slots if (pid := slot.pid)]

    @property
    def statuses(self) -> list[Status]:
        """The latest status of every worker, and the sums of those that ended."""
        return [status for slot in self._slots for status in slot.statuses]

    @property
    def workers(self) -> list[WorkerView]:
        """What is known of each worker."""
        return [slot.view for slot in self._slots]

    def run(self) -> None:
        """Run until all workers have ended. The last call of `on_status` has their final statuses.

        Raises:
            Log2mqError: the error with which a worker halted (all others are stopped first), or `WorkerFailed`.
        """
        has_sent_stop = False
        try:
            while not all(slot.is_done for slot in self._slots):
                self._start_due()
                self._replace_next()
                self._receive()
                if self._is_stopping and not has_sent_stop:
                    has_sent_stop = True
                    for slot in self._slots:
                        slot.terminate()
                if self.deadline.step_is_over:
                    self._kill_late()
        finally:
            self.kill()
        self._on_status(self.statuses)
        if self._failure is not None:
            raise self._failure

    @property
    def _is_stopping(self) -> bool:
        return self.deadline.has_begun

    def _start_due(self) -> None:
        now_s = time.monotonic()
        for slot in self._slots:
            if slot.is_done or not slot.is_empty:
                continue
            if self._is_stopping:  # also one that is to be started again only later
                slot.is_done = True
                continue
            if now_s < slot.restarts.due_s:
                continue
            slot.start(self._context, self._target, self._inbox)
            self._to_replace = [each for each in self._to_replace if each is not slot]
            self._on_note(slot.told(LogEvent.WORKER_STARTED, f"runs as process {slot.pid}"))

    def _replace_next(self) -> None:
        """Let the next worker finish that runs with the former target, once all others have begun."""
        while self._targets:
            self._target, self._grace_ms = self._targets.popleft()
            self._to_replace = [slot for slot in self._slots if not slot.is_done]
        if self._is_stopping or not self._to_replace:
            return
        if all(slot.has_begun or slot.is_done for slot in self._slots):
            self._to_replace.pop(0).replace()

    def _receive(self) -> None:
        """Apply what the workers have said, and wait a moment for the first message."""
        try:
            has_changed = self._apply(self._inbox.get(timeout=LOOK_S))
        except Empty:
            has_changed = True  # the time has
        for _ in range(self._inbox.qsize()):
            has_changed |= self._apply(self._inbox.get())
        now_s = time.monotonic()
        for slot in self._slots:
            if slot.is_gone(now_s):
                has_changed |= self._apply(FromWorker(slot, slot.life, None))
        self._note_hung(now_s)
        if has_changed and now_s - self._shown_s >= LOOK_S:
            self._shown_s = now_s
            self._on_status(self.statuses)

    def _apply(self, said: FromWorker) -> bool:
        """Apply one message of a worker, and return whether it changes the statuses."""
        slot, life, message = said
        if slot.is_empty or life != slot.life:
            return False  # it has told its end already
        if message is None:
            ended = slot.end(is_last=False)
            if self._is_stopping and ended.is_early:
                self._failure = self._failure or WorkerFailed(
                    f"worker {slot.number} {ended} before it had finished; its unfinished records are redelivered"
                )
            self._start_again(slot, str(ended), None)
            return True
        if message.line:
            self._on_line(message.line)
            return False
        if message.status is not None:
            slot.note(message.status, time.monotonic())
        if message.exit_code is not None:
            self._handle_end(slot, message)
        return True

    def _handle_end(self, slot: WorkerSlot, message: WorkerMessage) -> None:
        """Follow a worker that told its end: without an error, with one that may pass, with a fault in log2mq, or with one that a person must correct."""
        is_fault = message.exit_code == EXIT_FAULT
        was_replaced = slot.is_replaced and not self._is_stopping
        slot.end(is_last=not (message.may_pass or is_fault or was_replaced))
        if was_replaced and message.exit_code in {0, WorkUnfinished.exit_code}:
            return  # the next one is started at once
        if not message.exit_code:
            slot.is_done = True
            return
        failure = Log2mqError(*message.error.split("\n"))
        failure.exit_code = message.exit_code
        if not (message.may_pass or is_fault) or self._is_stopping:
            self._halt(slot, failure)
        else:
            passing = message.exit_code if message.may_pass else None
            self._start_again(slot, f"ended: {failure.lines[0]}", failure, passing)

    def _start_again(self, slot: WorkerSlot, end: str, failure: Log2mqError | None, passing: int | None = None) -> None:
        """Start a worker again after a while; or halt, if it has ended too often, or with an error that may pass and is not its own alone.

        `passing` is the exit code of an error that may pass.
        """
        now_s = time.monotonic()
        if self._is_stopping:
            slot.is_done = True
            return
        delay_s = slot.restarts.died(now_s, passing=passing)
        running = [each.restarts for each in self._slots if not each.is_done]
        if delay_s is None or (passing is not None and is_everyones(running, now_s, self._policy.waited_s(passing))):
            deaths = slot.restarts.deaths
            self._halt(slot, failure or WorkerFailed(f"worker {slot.number} {end}, {deaths} times in a row; giving up"))
        else:
            self._on_note(slot.told(LogEvent.WORKER_ENDED, f"{end}; starting it again in {delay_s:.0f} s"))

    def _note_hung(self, now_s: float) -> None:
        """Name the workers whose loop stands still, unless this process stood still itself."""
        has_slept, self._looked_s = now_s - self._looked_s > HUNG_S / 2, now_s
        for slot in self._slots:
            if not (has_slept or self._is_stopping) and (text := slot.hung(now_s)):
                self._on_note(slot.told(LogEvent.WORKER_HUNG, text))

    def _halt(self, slot: WorkerSlot, failure: Log2mqError) -> None:
        """Stop all workers because of this error. The first error is the one that is told."""
        slot.is_done = True
        self._failure = self._failure or failure
        self.deadline.exit_code = self._failure.exit_code
        self.stop()

    def _kill_late(self) -> None:
        """Kill the workers that have not ended in time."""
        for slot in self._slots:
            if slot.kill() and slot not in self._killed:
                self._killed.append(slot)
                self._failure = self._failure or WorkerFailed(
                    f"worker {slot.number} did not end within stop.grace and was killed; its unfinished records are redelivered"
                )
                self._on_note(slot.told(LogEvent.WORKER_ENDED, "did not end within stop.grace; it was killed"))
