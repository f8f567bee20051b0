"""The messages of a worker process to its supervisor, whatever the supervisor does."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import threading

import pytest

from pipeline.contracts.values import Partition
from pipeline.job.books import Books
from pipeline.job.status import Status
from pipeline.observe.log_lines import set_up_logging
from pipeline.runtime import supervisor_pipe
from pipeline.runtime.supervisor import Supervisor
from pipeline.runtime.supervisor_pipe import SupervisorPipe, WorkerMessage

pytestmark = pytest.mark.slow  # each worker is a process


class Talker:
    """A worker that logs from two threads at the same time, in lines longer than a pipe takes at once."""

    def __call__(self, slot, pipe):
        supervisor = SupervisorPipe(pipe)
        set_up_logging("text", "info", supervisor)

        def talk(word):
            for number in range(20):
                logging.getLogger("log2mq.talk").info("%s %d %s", word, number, "x" * 2_000)

        other = threading.Thread(target=talk, args=("other",))
        other.start()
        talk("one")
        other.join()
        supervisor(WorkerMessage(Status(1, {Partition("log", 0): Books()}), 0))


def test_log_lines_of_workers_are_written_whole_by_the_supervisor():
    lines = []
    Supervisor(Talker(), 2, lambda _: None, lambda _: None, on_line=lines.append).run()
    assert len(lines) == 80
    assert all(re.fullmatch(r"\S+Z INFO log2mq\.talk: (one|other) \d+ x{2000}\n", line) for line in lines)
    assert sorted(int(line.split()[4]) for line in lines) == sorted([*range(20)] * 4)


def nobody_reads():
    """A pipe to a supervisor that stands still."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    return ours, SupervisorPipe(theirs)


def test_a_supervisor_that_reads_nothing_does_not_hold_a_worker(monkeypatch):
    monkeypatch.setattr(supervisor_pipe, "TAKE_LIMIT_S", 0.05)
    ours, supervisor = nobody_reads()
    for number in range(1_000):  # much more than a pipe takes
        supervisor.write(f"{number} {'x' * 2_000}\n")
        supervisor(WorkerMessage(Status(number, {Partition("log", 0): Books()})))
    supervisor(WorkerMessage(None, 6, "the reason"))
    messages = []
    while not messages or messages[-1].exit_code is None:  # it goes on
        messages.append(ours.recv())
    assert messages[-1].error == "the reason"
    assert messages[-2].status.at_ms == 999
    assert len(messages) < 500


def test_a_message_that_was_sent_arrives_although_the_worker_dies():
    ours, theirs = multiprocessing.Pipe(duplex=False)
    dying = multiprocessing.get_context("spawn").Process(target=send_and_die, args=(theirs,))
    dying.start()
    theirs.close()
    assert ours.recv().status.at_ms == 7
    dying.join()
    assert dying.exitcode == -signal.SIGKILL


def send_and_die(pipe):
    SupervisorPipe(pipe)(WorkerMessage(Status(7, {})))
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_without_supervisor_writes_its_lines_itself(capsys):
    ours, supervisor = nobody_reads()
    ours.close()
    supervisor(WorkerMessage(Status(1, {})))  # finds it closed
    supervisor.write("a line\n")
    assert capsys.readouterr().err == "a line\n"
