"""Keeps the threads of a process on one CPU.

They take turns anyway, since Python runs one at a time. Taking turns on several CPUs moves everything they share from one cache to the
other at each turn, which costs a tenth of the job's CPU time.
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
"""Of what follows the command in `stat`: the CPU that a thread ran on last (proc_pid_stat(5), field 39)."""


class CpuAffinity:
    """From `with` to its end: all threads stay on the CPU of the thread that entered.

    Every few seconds the system may move that thread anywhere for a moment, since its CPU may have become busy and another idle. Does nothing
    on a system without such a call, or on one CPU; and no more, once somebody else says where the threads may run.
    """

    def __init__(self, stay_s: float = STAY_S, choose_s: float = CHOOSE_S) -> None:
        """`stay_s` is how long they stay before the system may choose anew, `choose_s` how long it may."""
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
        is_over = self._ended.wait(self._choose_s)
        while not is_over:
            here = {_cpu_of(leader)}
            _place(here)
            is_over = self._ended.wait(self._stay_s)
            if os.sched_getaffinity(leader) != here:
                return  # somebody else has decided
            _place(allowed)
            is_over = is_over or self._ended.wait(self._choose_s)


def _cpu_of(thread: int) -> int:
    fields = (_TASKS / str(thread) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[_CPU_FIELD])


def _place(cpus: set[int]) -> None:
    for task in _TASKS.iterdir():
        with suppress(OSError):  # it has ended, or a container forbids the call
            os.sched_setaffinity(int(task.name), cpus)
