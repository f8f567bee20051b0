"""A call that takes too long is interrupted, and no alarm is left after it."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest

from transforms.plugins.time_limit import TimeLimit, TookTooLong

SHORT = TimeLimit(0.02)
LONG = TimeLimit(30)


@pytest.fixture(autouse=True)
def _no_other_alarm():
    """Suspend the alarm that may limit the time of the tests, and check that the test leaves none of its own."""
    others = signal.setitimer(signal.ITIMER_REAL, 0)
    handler = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    yield
    left = signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *others)
    assert left == (0.0, 0.0)


def spin(_):
    while True:
        pass


def count(_):
    for _ in iter(int, 1):
        pass


def deep(number):
    return deep(number + 1) if number < 500 else spin(number)


def sleep(_):
    time.sleep(60)


def wait(_):
    threading.Event().wait(60)


def backtrack(_):
    return re.fullmatch(r"(a+)+b", "a" * 60)


def generate(_):
    def numbers():
        while True:
            yield 1

    return sum(numbers())


def swallow(_):
    while True:
        try:
            spin(None)
        except BaseException:  # noqa: BLE001 - what is tested
            continue


def swallow_some(_):
    for _ in range(3):
        try:
            spin(None)
        except BaseException:  # noqa: BLE001 - what is tested
            continue
    spin(None)


def tidy(_):
    try:
        spin(None)
    finally:
        left.append("tidied")


left = []


@pytest.mark.parametrize(
    "call", [spin, count, deep, sleep, wait, backtrack, generate, swallow, swallow_some, tidy], ids=lambda each: each.__name__
)  # fmt: skip
def test_what_has_no_end_is_interrupted(call):
    with pytest.raises(TookTooLong):
        SHORT.run(call, 0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_tidies_up_does_so():
    left.clear()

    def due(_):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.001)  # the alarm comes now, and not before
            spin(None)
        finally:
            left.append("tidied")

    with pytest.raises(TookTooLong):
        LONG.run(due, 0)
    assert left == ["tidied"]


def test_what_ends_gives_its_result_or_its_own_error():
    assert LONG.run(lambda number: number + 1, 1) == 2
    with pytest.raises(ZeroDivisionError):
        LONG.run(lambda number: 1 // number, 0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_no_alarm_comes_after_a_call_however_close_it_was():
    """Calls end at about the time of the alarm: each either ends or is interrupted, and no interruption reaches the code around them."""
    limit = TimeLimit(0.0003)
    ended = interrupted = 0
    for number in range(2_000):
        steps = number * 7 % 4_000
        try:
            limit.run(lambda steps: sum(1 for _ in range(steps)), steps)
            ended += 1
        except TookTooLong:
            interrupted += 1
        for _ in range(50):
            pass
    assert ended + interrupted == 2_000
    assert ended


def test_an_alarm_of_someone_else_is_there_again_and_no_later():
    def hear(_number, _frame):
        raise AssertionError("it is not due")

    signal.signal(signal.SIGALRM, hear)
    begun = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 600, 10)
    with pytest.raises(TookTooLong):
        SHORT.run(spin, 0)
    assert signal.getsignal(signal.SIGALRM) is hear
    left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, 0)
    took_s = time.monotonic() - begun
    assert 600 - took_s - 0.01 <= left_s <= 600 - 0.02 + 0.01
    assert interval_s == 10


def test_an_alarm_of_someone_else_that_fell_due_meanwhile_comes_after_the_call():
    heard = []
    signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    with pytest.raises(TookTooLong):
        SHORT.run(spin, 0)
    while not heard:
        time.sleep(0.01)
    signal.setitimer(signal.ITIMER_REAL, 0)


def test_the_default_that_would_end_the_process_is_not_put_back():
    LONG.run(lambda _: None, None)
    signal.raise_signal(signal.SIGALRM)


def test_another_thread_is_not_limited_and_changes_nothing_here():
    found = []
    thread = threading.Thread(target=lambda: found.append(SHORT.run(lambda _: time.sleep(0.05) or "done", 0)))
    thread.start()
    thread.join()
    assert found == ["done"]
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
