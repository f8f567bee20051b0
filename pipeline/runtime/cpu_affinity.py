"""Keeps the threads of a process on one CPU.

Python runs one thread at a time. Threads on several CPUs move their shared data from one cache to another at each switch, which costs a tenth of
the job's CPU time.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

STAY_S = 5.0
CHOOSE_S = 0.1

_TASKS = Path("/proc/self/task")
_CPU_FIELD = 36
"""The index of the CPU that a thread last ran on, among the fields of `stat` after the command (proc_pid_stat(5), field 39)."""


class CpuAffinity:
    """A context manager: inside it all threads stay on the CPU of the thread that entered.

    Every few seconds the system may move the threads to any CPU for a moment, since their CPU may have become busy and another one idle. It does
    nothing on a system without `sched_setaffinity`, or with one CPU. It stops once another program sets the affinity.
    """

    def __init__(self, stay_s: float = STAY_S, choose_s: float = CHOOSE_S) -> None:
        """The threads stay for `stay_s` seconds, and then for `choose_s` seconds the system may choose another CPU."""
        self._stay_s = stay_s
        self._choose_s = choose_s
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if hasattr(os, "sched_setaffinity") and _TASKS.is_dir() and len(allowed := os.sched_getaffinity(0)) > 1:
            leader = threading.get_native_id()
            self._thread = threading.Thread(target=self._keep, args=(leader, allowed), name="one-cpu", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self, leader: int, allowed: set[int]) -> None:
        has_ended = self._ended.wait(self._choose_s)
        while not has_ended:
            chosen = {_cpu_of(leader)}
            _set_affinity(chosen)
            has_ended = self._ended.wait(self._stay_s)
            if os.sched_getaffinity(leader) != chosen:
                return  # another program set the affinity
            _set_affinity(allowed)
            has_ended = has_ended or self._ended.wait(self._choose_s)


def _cpu_of(thread: int) -> int:
    fields = (_TASKS / str(thread) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[_CPU_FIELD])


def _set_affinity(cpus: set[int]) -> None:
    for task in _TASKS.iterdir():
        with suppress(OSError):  # the thread has ended, or the container forbids the call
            os.sched_setaffinity(int(task.name), cpus)
