"""Signals that end a process, also one whose main thread runs no Python code; and the guard of an end that hangs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # each script is a process

BEGIN = """
import ctypes, os, signal, threading
from pipeline.contracts.deadline import Deadline, EndStep
from pipeline.runtime.stop_signals import SAME_SIGNAL_S, StopSignals

stops, now_s, now_ms = [], [100.0], [0]
deadline = Deadline(lambda: now_ms[0])

def stop():
    stops.append(1)
    deadline.begin(1_000, EndStep.FINISH)

def leave():
    print("leaving", len(stops), flush=True)

def hang():
    "Wait in C for a lock that never comes, as a store may: no signal interrupts it, and no handler runs."
    libc, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    print("hangs", flush=True)
    libc.pthread_mutex_lock(lock)
    libc.pthread_mutex_lock(lock)

def tell(number, after_s=SAME_SIGNAL_S):
    now_s[0] += after_s
    os.kill(os.getpid(), number)
"""


def script(text, **more):
    done = subprocess.run([sys.executable, "-c", BEGIN + text], capture_output=True, text=True, timeout=60, check=False, **more)  # fmt: skip
    return done.stdout, done.returncode, done.stderr


def test_a_signal_sent_to_process_and_group_is_one_wish_and_a_later_one_another():
    said, code, told = script("""
with StopSignals(stop, deadline, leave=leave, monotonic=lambda: now_s[0]):
    for _ in range(3): tell(signal.SIGTERM, after_s=0)
    print("asked", len(stops), flush=True)
    tell(signal.SIGINT)
    print("not reached", flush=True)
""")
    assert (said, code) == ("asked 1\nleaving 1\n", 130)
    assert told == "log2mq: ended at once; unfinished records will be redelivered\n"


def test_a_second_signal_ends_a_process_whose_main_thread_waits_in_c():
    said, code, _ = script("""
with StopSignals(stop, deadline, leave=leave, monotonic=lambda: now_s[0]):
    tell(signal.SIGTERM)
    threading.Thread(target=lambda: (threading.Event().wait(0.3), tell(signal.SIGTERM))).start()
    hang()
""")
    assert (said, code) == ("hangs\nleaving 1\n", 130)


def test_a_second_signal_ends_a_process_whose_standard_error_nobody_reads():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + "\nwith StopSignals(stop, deadline): tell(signal.SIGTERM); threading.Event().wait(0.3); tell(signal.SIGTERM)"],
        stderr=writer, timeout=60, check=False,
    )  # fmt: skip
    os.close(reader)
    os.close(writer)
    assert done.returncode == 130


def test_the_guard_counts_from_a_signal_that_the_main_thread_does_not_notice():
    _, left_with, told = script("""
def tell_later():
    threading.Event().wait(0.3)
    tell(signal.SIGTERM)
    while not deadline.has_begun: pass
    now_ms[0] = 1_000 + 3_000

with StopSignals(stop, deadline, begin=lambda: deadline.begin(1_000, EndStep.FINISH)):
    threading.Thread(target=tell_later).start()
    hang()
""")
    assert left_with == 130
    assert told == "log2mq: the end took too long; unfinished records will be redelivered\n"


@pytest.mark.parametrize("code", [130, 6])
def test_an_end_that_hangs_is_ended_with_the_code_of_its_reason(code):
    _, left_with, told = script(f"""
with StopSignals(stop, deadline):
    tell(signal.SIGTERM)
    deadline.exit_code = {code}
    now_ms[0] = 1_000 + 3_000
    hang()
""")
    assert left_with == code
    assert told == "log2mq: the end took too long; unfinished records will be redelivered\n"


def test_the_end_of_the_parent_is_a_stop():
    said, code, _ = script("""
reader, writer = os.pipe()
has_stopped = threading.Event()
with StopSignals(has_stopped.set, deadline, leave=None, parent=reader):
    os.close(writer)
    assert has_stopped.wait(30)
    for _ in range(3): tell(signal.SIGTERM)  # further ones have no effect
print("ended in order", flush=True)
""")
    assert (said, code) == ("ended in order\n", 0)


def test_handlers_are_those_of_before_afterwards():
    said, code, _ = script("""
before = signal.getsignal(signal.SIGINT)
with StopSignals(stop, deadline):
    assert signal.getsignal(signal.SIGINT) is not before
print(signal.getsignal(signal.SIGINT) is before, signal.set_wakeup_fd(-1), threading.active_count())
""")
    assert (said, code) == ("True -1 1\n", 0)
