"""The threads of a process on one CPU: they stay there, move together, and are released at the end."""

from __future__ import annotations

import os
import threading
import time

import pytest

from pipeline.runtime.cpu_affinity import CpuAffinity

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two CPUs"
)


@pytest.fixture
def allowed():
    before = os.sched_getaffinity(0)
    yield before
    os.sched_setaffinity(0, before)


def until(holds):
    give_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.001)


def test_every_thread_stays_on_one_cpu_until_the_end(allowed):
    may_end, begun = threading.Event(), threading.Event()
    seen = []

    def work():
        begun.set()
        may_end.wait(60)
        seen.append(os.sched_getaffinity(0))

    other = threading.Thread(target=work)
    other.start()
    begun.wait(60)
    with CpuAffinity(stay_s=60, choose_s=0.01):
        until(lambda: len(os.sched_getaffinity(0)) == 1)
        until(lambda: os.sched_getaffinity(other.native_id) == os.sched_getaffinity(0))
        assert os.sched_getaffinity(0) < allowed
    assert os.sched_getaffinity(0) == allowed
    may_end.set()
    other.join()
    assert seen == [allowed]


def test_the_system_may_choose_anew_every_now_and_then(allowed):
    with CpuAffinity(stay_s=0.01, choose_s=0.01):
        for _ in range(3):
            until(lambda: len(os.sched_getaffinity(0)) == 1)
            until(lambda: os.sched_getaffinity(0) == allowed)


def test_what_somebody_else_decides_is_left_alone(allowed):
    with CpuAffinity(stay_s=0.2, choose_s=0.01) as keeping:
        until(lambda: len(os.sched_getaffinity(0)) == 1)
        decided = allowed - os.sched_getaffinity(0)
        os.sched_setaffinity(0, decided)
        keeping._thread.join(30)  # the thread saw the change, and ended
        assert os.sched_getaffinity(0) == decided
    assert os.sched_getaffinity(0) == decided
