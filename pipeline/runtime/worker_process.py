"""The code of one worker process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection

from pipeline.config.source_file import SourceFile
from pipeline.control_characters import one_line
from pipeline.errors import EXIT_FAULT, Log2mqError, fault_sentence
from pipeline.job.status import Status
from pipeline.observe.log_lines import set_up_logging
from pipeline.runtime.build import Hooks, Job
from pipeline.runtime.stop_signals import StopSignals
from pipeline.runtime.supervisor_pipe import SupervisorPipe, WorkerMessage
from pipeline.runtime.unfinished import raise_if_unfinished


@dataclass(frozen=True, slots=True)
class WorkerMain:
    """The target of a worker process. It has only values that can be passed to a spawned process.

    The source file is passed as it was checked: a file that is changed meanwhile is not read.

    The worker of a slot is a static member of the consumer group: a worker that is started again takes the place of the dead one, so that the
    others need not wait for the end of the dead member's session. `instance` is the part of the static member ID that all slots share.
    """

    source: SourceFile
    log_format: str
    log_level: str
    instance: str
    new_store: bool = False

    def __call__(self, slot: int, pipe: Connection) -> None:
        """Run one job to its end, and send its status to the supervisor.

        A `Log2mqError` is sent too, and ends the process with its exit code. Of any other error only the class is sent: it is a fault in
        log2mq itself, and multiprocessing would print its text.

        The job ends in order also when the supervisor ends: nothing would restart, stop or count it. Further signals have no effect, since
        the supervisor and a service manager may both send one; the supervisor kills its workers at its own second signal.
        """
        supervisor = SupervisorPipe(pipe)
        set_up_logging(self.log_format, self.log_level, supervisor, source=self.source.source, worker=slot)
        # Ctrl-C reaches the whole process group; the supervisor reacts to it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGHUP, signal.SIGUSR1):  # the supervisor follows them
            signal.signal(number, signal.SIG_IGN)
        environment: Mapping[str, str] = os.environ
        parent = parent_process()

        def tell(status: Status) -> None:
            supervisor(WorkerMessage(status))

        try:
            job = Job(
                self.source,
                environment,
                Hooks(on_status=tell, before_commit=tell),
                slot=slot,
                static_id=f"{self.instance}-{slot}",
                new_store=self.new_store,
            )
            with (
                StopSignals(
                    job.stop,
                    job.deadline,
                    begin=job.begin_end,
                    signals=(signal.SIGTERM,),
                    leave=None,
                    parent=parent.sentinel if parent is not None else None,
                ),
                job,
            ):
                job.runner.run()
                raise_if_unfinished(job.runner)
            supervisor(WorkerMessage(None, 0))
        except KeyboardInterrupt:  # a stop before the job had begun
            supervisor(WorkerMessage(None, 0))
        except Log2mqError as error:
            lines = "\n".join(map(one_line, error.lines))
            supervisor(WorkerMessage(None, error.exit_code, lines, may_pass=error.may_pass))
            sys.exit(error.exit_code)
        except Exception as error:  # noqa: BLE001 - a worker's main, as `pipeline/cli/main.py` is the command's
            supervisor(WorkerMessage(None, EXIT_FAULT, fault_sentence(error)))
            sys.exit(EXIT_FAULT)
