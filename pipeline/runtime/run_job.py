"""`log2mq run`: one process alone, or workers under a supervisor; each with the source file that is right now."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from pipeline.config.config_hash import config_hash
from pipeline.config.source_file import SourceFile
from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.job.status import Status
from pipeline.observe.job_view import ObservedJob, WorkerView
from pipeline.observe.log_lines import STANDARD_ERROR
from pipeline.observe.summary import merge
from pipeline.runtime.build import Hooks, Job
from pipeline.runtime.reload import Reload
from pipeline.runtime.restart_policy import RestartPolicy
from pipeline.runtime.stop_signals import StopSignals
from pipeline.runtime.supervisor import Supervisor
from pipeline.runtime.unfinished import raise_if_unfinished
from pipeline.runtime.worker_notes import log_note
from pipeline.runtime.worker_process import WorkerMain

OPEN_LOOK_S = 0.1

_log = logging.getLogger("log2mq.command")


class JobAlone:
    """Runs a job in this process. After SIGHUP it goes on with the changed source file, once what is in flight is finished."""

    def __init__(
        self,
        reload: Reload,
        observed: ObservedJob,
        on_status: Callable[[Status], None],
        on_asked: Callable[[], None],
        *,
        new_store: bool,
    ) -> None:
        """`on_status` gets the sum of all that this process has done, `on_asked` is called at SIGUSR1."""
        self._reload = reload
        self._observed = observed
        self._on_status = on_status
        self._on_asked = on_asked
        self._new_store = new_store
        self._former: list[Status] = []  # of the jobs before this one
        self._last = merge([])  # the last status of this job
        self._was_stopped = False

    def run(self) -> None:
        """Run until a signal stops the job.

        Raises:
            Log2mqError: the error that ends the job, or `WorkUnfinished` after a signal.
        """
        while True:
            job = self._run_once()
            if self._was_stopped or (following := self._reload.take()) is None:
                raise_if_unfinished(job.runner)
                return
            self._former = [merge([*self._former, self._last.former()])]
            self._observed.note([WorkerView(0, os.getpid())], self._former[0])  # it may wait for Kafka now
            _note_reloaded(self._observed, following)

    def _run_once(self) -> Job:
        source = self._reload.source
        job = Job(
            source,
            os.environ,
            Hooks(on_status=self._show),
            static_id=source.kafka.instance_id,
            new_store=self._new_store,
        )

        def stop() -> None:
            self._was_stopped = True
            job.stop()

        others = {signal.SIGHUP: lambda: self._follow_change(job), signal.SIGUSR1: self._on_asked}
        with StopSignals(stop, job.deadline, begin=job.begin_end, others=others), job:
            job.runner.run()
        return job

    def _show(self, status: Status) -> None:
        self._last = status
        total = merge([*self._former, status]) if self._former else status
        self._observed.note([WorkerView(0, os.getpid(), status)], total)
        self._on_status(total)

    def _follow_change(self, job: Job) -> None:
        """Check the file, and let the job finish if there is another one to go on with."""
        if self._reload.check() is None:
            return
        while not job.is_open:  # it waits for Kafka: a stop would end the command
            time.sleep(OPEN_LOOK_S)
        job.begin_end()
        job.runner.stop()


def _note_reloaded(observed: ObservedJob, source: SourceFile) -> None:
    """Note and log that the job runs with a changed source file now."""
    new_hash = config_hash(source)
    observed.note_config(new_hash, source.observe.away_limit)
    text = f"{source.source} runs with configuration {new_hash} now"
    log_event(_log, logging.WARNING, LogEvent.RELOADED, text, config_hash=new_hash)


def run_workers(
    worker_main: WorkerMain,
    count: int,
    reload: Reload,
    observed: ObservedJob,
    on_status: Callable[[Status], None],
    on_asked: Callable[[], None],
) -> None:
    """Run the job in `count` processes under a supervisor. After SIGHUP each goes on with the changed source file, one after the other.

    Raises:
        Log2mqError: the error that ends the workers, or `WorkUnfinished` after a signal.
    """

    def show(statuses: list[Status]) -> None:
        status = merge(statuses)
        if taken and not supervisor.is_reloading:
            _note_reloaded(observed, taken.pop())
        observed.note(supervisor.workers, status, is_stopping=supervisor.deadline.has_begun)
        on_status(status)

    def follow() -> None:
        if reload.check() is not None and (source := reload.take()) is not None:
            supervisor.reload(replace(worker_main, source=source), source.stop.grace)
            taken[:] = [source]

    taken: list[SourceFile] = []  # a changed file that not all workers run with yet
    source = reload.source
    policy = RestartPolicy(
        patience_s=source.kafka.give_up_after / 1000, store_patience_s=source.dedup.give_up_after / 1000
    )
    supervisor = Supervisor(
        worker_main, count, show, log_note, policy, grace_ms=source.stop.grace, on_line=STANDARD_ERROR.write
    )
    others = {signal.SIGHUP: follow, signal.SIGUSR1: on_asked}
    with StopSignals(supervisor.stop, supervisor.deadline, begin=supervisor.stop, leave=supervisor.kill, others=others):
        supervisor.run()
