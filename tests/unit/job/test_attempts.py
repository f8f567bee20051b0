"""The counts of calls: a server that invents codes fills neither the memory nor the summary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.job.attempts import MOST_CODES, OTHER_CODES, Attempts
from pipeline.job.status import Status
from pipeline.observe.summary import merge


@given(st.lists(st.lists(st.integers(0, 80).map("E{}".format), max_size=200), max_size=5))
def test_each_call_is_counted_once_however_many_codes_there_are(processes):
    counted = []
    for codes in processes:
        attempts = Attempts()
        for code in codes:
            attempts.count_code(code)
        assert sum(attempts.codes.values()) == len(codes)
        assert len(attempts.codes) <= MOST_CODES + 1
        assert (OTHER_CODES in attempts.codes) == (len(set(codes)) > MOST_CODES)
        counted.append(attempts)
    both = merge([Status(0, {}, attempts=each) for each in counted])
    assert sum(both.attempts.codes.values()) == sum(map(len, processes))
    assert len(both.attempts.codes) <= MOST_CODES + 1
