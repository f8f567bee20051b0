"""The code of a worker process, and its messages to the supervisor."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading

import pytest

from pipeline.contracts.values import Partition
from pipeline.job.books import Books
from pipeline.job.status import Status
from pipeline.observe.log_lines import set_up_logging
from pipeline.runtime.supervisor import Supervisor, WorkerMessage
from pipeline.runtime.worker_process import SupervisorPipe

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


def test_a_signal_sent_to_process_and_group_is_one_wish_and_a_later_one_another():
    script = (
        "import signal\n"
        "from pipeline.runtime import worker_process\n"
        "stops, now = [], [100.0]\n"
        "leave = lambda: print('leaving', len(stops), flush=True)\n"
        "worker_process.on_stop_signals(lambda: stops.append(1), leave, lambda: now[0])\n"
        "for _ in range(3): signal.raise_signal(signal.SIGTERM)\n"
        "print('asked', len(stops), flush=True)\n"
        "now[0] += worker_process.SAME_SIGNAL_S\n"
        "signal.raise_signal(signal.SIGINT)\n"
        "print('not reached', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("asked 1\nleaving 1\n", 130)
