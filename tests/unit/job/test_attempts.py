"""The counts of calls: a server that invents codes fills neither the memory nor the summary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Claim, Commit, Partition, Retry
from pipeline.job.attempts import MOST_CODES, OTHER_CODES, Attempts
from pipeline.job.batch import Batcher
from pipeline.job.dispatch import Dispatch
from pipeline.job.in_flight import PendingMessage, PendingRecord
from pipeline.job.partition_offsets import PartitionOffsets
from pipeline.job.status import Status
from pipeline.observe.summary import merge
from schemas.log import RawRecord
from transforms.base import Kind


@given(st.lists(st.lists(st.integers(0, 80).map("E{}".format), max_size=200), max_size=5))
def test_each_call_is_counted_once_however_many_codes_there_are(processes):
    counted = []
    for codes in processes:
        attempts = Attempts()
        for code in codes:
            attempts.sent(Kind.EVENT, 1)
            attempts.answered(Kind.EVENT, Retry(code, "invented"))
        assert sum(attempts.codes.values()) == len(codes)
        assert len(attempts.codes) <= MOST_CODES + 1
        assert (OTHER_CODES in attempts.codes) == (len(set(codes)) > MOST_CODES)
        counted.append(attempts)
    both = merge([Status(0, {}, attempts=each) for each in counted])
    assert sum(both.attempts.codes.values()) == sum(map(len, processes))
    assert len(both.attempts.codes) <= MOST_CODES + 1


class Inventing:
    """Senders of a server that answers each call with another code."""

    idle = 1

    def __init__(self):
        self._outcomes = []
        self._calls = 0

    def submit(self, batch, _kind, _messages, _deadline_ms):
        self._calls += 1
        self._outcomes.append((batch, Retry(f"Code{self._calls}", "invented")))

    def collect(self):
        outcomes, self._outcomes = self._outcomes, []
        return outcomes


def test_a_server_that_invents_codes_does_not_fill_the_counts():
    backoff = Backoff(100, 1_000, lambda: 0.5)
    dispatch = Dispatch([Batcher(Kind.EVENT, 100, 1 << 20, 1_000)], Inventing(), backoff)
    message = PendingMessage(Kind.EVENT, b"{}", Claim(bytes(16), bytes(8), bytes(8)))
    offsets = PartitionOffsets(Partition("log", 0), Commit(0, ""))
    message.record = PendingRecord(RawRecord("log", 0, 0, -1, None, b""), offsets, 0)
    dispatch.add([message], 0)
    for turn in range(3 * MOST_CODES):
        dispatch.send(turn * 10_000, turn * 10_000 + 1, flush=True)
        dispatch.collect(turn * 10_000)
    assert len(dispatch.attempts.codes) == MOST_CODES + 1
    assert sum(dispatch.attempts.codes.values()) == dispatch.attempts.calls == 3 * MOST_CODES
