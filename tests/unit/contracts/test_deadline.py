"""The steps of a job's end, each with its time."""

from __future__ import annotations

from pipeline.contracts.deadline import MARGIN_MS, Deadline, EndStep


def test_a_job_that_does_not_end_bounds_no_wait():
    deadline = Deadline(lambda: 10**9)
    assert deadline.limit_ms(5_000) == 5_000
    assert not any((deadline.has_begun, deadline.step_is_over, deadline.is_over))


def test_each_step_has_its_end_whenever_it_begins():
    now = [1_000]
    deadline = Deadline(lambda: now[0])
    deadline.begin(10_000, EndStep.FINISH)
    assert deadline.limit_ms(60_000) == 5_000
    now[0] = 6_000
    assert deadline.step_is_over
    assert deadline.limit_ms(60_000) == 0
    deadline.enter(EndStep.ANSWERS)
    assert deadline.limit_ms(60_000) == 5_000
    assert deadline.limit_ms(100) == 100
    deadline.enter(EndStep.COMMIT)
    assert deadline.limit_ms(60_000) == 5_000 + MARGIN_MS // 2
    deadline.enter(EndStep.CLOSE)
    assert deadline.limit_ms(60_000) == 5_000 + MARGIN_MS * 3 // 4
    now[0] = 11_000 + MARGIN_MS - 1
    assert deadline.step_is_over
    assert not deadline.is_over
    now[0] += 1
    assert deadline.is_over


def test_a_second_begin_gives_no_more_time():
    now = [0]
    deadline = Deadline(lambda: now[0])
    deadline.begin(1_000, EndStep.ANSWERS)
    now[0] = 900
    deadline.begin(1_000, EndStep.FINISH)
    assert deadline.limit_ms(5_000) == 100
