"""What becomes of batches: pure decisions, played through with scripted answers and a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.retry import Backoff
from pipeline.contracts.values import Claim, Commit, Delivered, Exhausted, Halt, Partition, Refused, Retry, Unsent
from pipeline.job.batch import Batcher
from pipeline.job.dispatch import Dispatch
from pipeline.job.in_flight import PendingMessage, PendingRecord
from pipeline.job.partition_offsets import PartitionOffsets
from schemas.log import RawRecord
from tests.support.examples import examples
from transforms.base import Kind

OUTAGE = Retry("ServiceUnavailable", "away")
LEASE_MS = 30_000
UNKNOWN = Retry("ES0999", "unknown", outage=False, limit=2, exhausted=Exhausted.ISOLATE_OR_HALT)
INTERNAL = Retry("InternalError", "inside", outage=False, limit=8, exhausted=Exhausted.ISOLATE_OR_RETRY)


class Api:
    """Answers batches by a rule over their messages, at once."""

    idle = 4

    def __init__(self, rule):
        self.rule = rule
        self.calls = []
        self._outcomes = []

    def submit(self, batch, kind, messages, deadline_ms):
        numbers = [int(each) for each in messages]
        self.calls.append(numbers)
        self._outcomes.append((batch, self.rule(numbers)))

    def collect(self):
        outcomes, self._outcomes = self._outcomes, []
        return outcomes


def messages(count, offsets=None):
    offsets = offsets or PartitionOffsets(Partition("log", 0), Commit(0, ""))
    made = []
    for number in range(count):
        pending = PendingRecord(RawRecord("log", 0, number, -1, None, b""), offsets, 0)
        message = PendingMessage(Kind.EVENT, str(number).encode(), Claim(number.to_bytes(16), bytes(8), bytes(8)))
        message.record = pending
        made.append(message)
    return made


def turn(dispatch, now_ms, *, flush=False):
    answers = dispatch.collect(now_ms)
    dispatch.send(now_ms, now_ms + LEASE_MS, flush=flush)
    return answers


def play(rule, count, turns=4_000, step_ms=50):
    api = Api(rule)
    backoff = Backoff(100, 1_000, lambda: 0.5)
    dispatch = Dispatch([Batcher(Kind.EVENT, 100, 1 << 20, 1_000)], api, backoff, hold_ms=60_000)
    now_ms = 1_000_000
    dispatch.add(messages(count), now_ms)
    delivered, refused = [], {}
    for _ in range(turns):
        answers = turn(dispatch, now_ms, flush=True)
        delivered += [int(each.body) for each in answers.delivered]
        refused |= {int(each.body): why.code for each, why in answers.refused}
        if dispatch.is_idle or dispatch.halt:
            break
        now_ms += step_ms
    return api, dispatch, sorted(delivered), refused


@examples(times=0.3)
@given(st.sets(st.integers(0, 249), max_size=5), st.integers(1, 250))
def test_bad_messages_are_found_and_all_others_delivered(bad, count):
    _, _, delivered, refused = play(lambda numbers: Refused("Bad", "") if bad & set(numbers) else Delivered(), count)
    assert delivered == [number for number in range(count) if number not in bad]
    assert set(refused) == {number for number in bad if number < count}


def test_one_bad_message_among_100_costs_about_14_more_calls():
    api, _, delivered, refused = play(lambda numbers: Refused("Bad", "") if 42 in numbers else Delivered(), 100)
    assert len(delivered) == 99
    assert list(refused) == [42]
    assert len(api.calls) - 1 <= 14


def test_an_outage_is_waited_out_whatever_it_takes():
    answers = iter([OUTAGE] * 30)
    api, dispatch, delivered, refused = play(lambda _: next(answers, Delivered()), 250)
    assert delivered == list(range(250))
    assert not refused
    assert not dispatch.halt
    assert len(api.calls) < 60  # it rests between probes


def test_an_error_nobody_knows_halts_when_nothing_is_delivered():
    api, dispatch, delivered, refused = play(lambda _: UNKNOWN, 250)
    assert "ES0999" in dispatch.halt
    assert not delivered
    assert not refused
    calls = len(api.calls)
    turn(dispatch, 10**9)
    assert len(api.calls) == calls  # nothing more is sent


def test_an_error_nobody_knows_is_taken_for_the_content_when_others_are_delivered():
    _, dispatch, delivered, refused = play(lambda numbers: UNKNOWN if 7 in numbers else Delivered(), 250)
    assert refused == {7: "ES0999"}
    assert len(delivered) == 249
    assert not dispatch.halt


def test_a_bad_message_with_an_unknown_code_is_found_even_when_its_batch_is_all_there_is():
    for bad in set(range(100)) - {49, 99}:  # after these two nothing is left that could give contrast
        api, dispatch, delivered, refused = play(
            lambda numbers, bad=bad: UNKNOWN if bad in numbers else Delivered(), 100
        )
        assert refused == {bad: "ES0999"}
        assert len(delivered) == 99
        assert not dispatch.halt
        assert len(api.calls) <= 16


class Timeline:
    """Both operations for two minutes: a batch each every so often, the back-off of the defaults, and an API that is out at times."""

    def __init__(self, rule, batches=30):
        """`rule` says what a call gets, by its time, kind and message numbers."""
        self.rule, self.now_ms = rule, 0
        self.calls = []  # (kind, numbers, whether accepted)
        api = Api(None)
        api.submit = self._submit
        self.api = api
        backoff = Backoff(200, 30_000, lambda: 0.5)
        self.dispatch = Dispatch([Batcher(kind, 100, 1 << 20, 100) for kind in Kind], api, backoff)
        self.delivered, self.refused = [], {}
        self.waiting = messages(100 * batches)
        for message in self.waiting[::2]:
            message.kind = Kind.USER

    def _submit(self, batch, kind, messages, _deadline_ms):
        numbers = [int(each) for each in messages]
        outcome = self.rule(self.now_ms, kind, numbers)
        self.calls.append((kind, numbers, isinstance(outcome, Delivered)))
        self.api._outcomes.append((batch, outcome))

    def run(self, until_ms=1_000_000):
        while self.now_ms < until_ms and not self.dispatch.halt:
            if self.now_ms % 500 == 0 and self.waiting:
                self.dispatch.add(self.waiting[:200], self.now_ms)
                del self.waiting[:200]
            answers = turn(self.dispatch, self.now_ms)
            self.delivered += [int(each.body) for each in answers.delivered]
            self.refused |= {int(each.body): why.code for each, why in answers.refused}
            if not self.waiting and self.dispatch.is_idle:
                break
            self.now_ms += 50
        return self


def test_a_total_outage_with_a_code_nobody_knows_condemns_nothing():
    run = Timeline(lambda now_ms, *_: UNKNOWN if 1_000 < now_ms < 13_000 else Delivered()).run()
    assert not run.dispatch.halt
    assert not run.refused
    assert sorted(run.delivered) == list(range(3_000))
    assert sum(not is_accepted for _, _, is_accepted in run.calls) < 30


def test_the_other_operation_gives_no_contrast():
    run = Timeline(lambda _, kind, __: UNKNOWN if kind is Kind.EVENT else Delivered()).run(60_000)
    assert not run.refused
    assert len(run.delivered) == 1_500


def test_a_message_refused_alone_is_tried_until_another_is_accepted():
    run = Timeline(lambda _, __, numbers: UNKNOWN if 199 in numbers else Delivered(), batches=2)
    run.run(60_000)
    assert not run.refused  # all others were accepted before it was alone
    run.waiting = messages(3_200)[3_000:]
    run.run(200_000)
    assert run.refused == {199: "ES0999"}


@given(
    bad=st.sets(st.integers(0, 2_999), max_size=4),
    outages=st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 15_000)), max_size=3),
    unknown=st.sampled_from([UNKNOWN, INTERNAL]),
)
@pytest.mark.slow
def test_a_message_is_condemned_only_by_contrast(bad, outages, unknown):
    def rule(now_ms, _kind, numbers):
        is_out = any(begin <= now_ms < begin + lasts for begin, lasts in outages)
        return unknown if is_out or bad & set(numbers) else Delivered()

    run = Timeline(rule).run(300_000)
    for number in run.refused:
        kind = Kind.USER if number % 2 == 0 else Kind.EVENT
        alone = [place for place, (_, numbers, _) in enumerate(run.calls) if numbers == [number]]
        assert any(
            called is kind and is_accepted and alone[0] < place < alone[-1]
            for place, (called, _, is_accepted) in enumerate(run.calls)
        )
    if len(outages) <= 1:  # no good message is refused alone, seen to have contrast, and refused again
        assert run.refused.keys() <= bad
    assert not set(run.delivered) & bad
    assert len(run.delivered) == len(set(run.delivered))


def test_an_internal_error_is_never_taken_for_the_content_while_nothing_is_delivered():
    _, dispatch, delivered, refused = play(lambda _: INTERNAL, 10, turns=500)
    assert not delivered
    assert not refused
    assert not dispatch.halt
    assert not dispatch.is_idle


def test_a_halt_keeps_what_was_delivered_in_the_same_turn():
    _, dispatch, delivered, _ = play(
        lambda numbers: Halt("InvalidAccessKeyId.NotFound", "wrong") if 0 in numbers else Delivered(), 200
    )
    assert "InvalidAccessKeyId.NotFound" in dispatch.halt
    assert delivered == list(range(100, 200))


def test_lost_answers_are_counted_by_message_when_sent_again():
    answers = iter([Retry("ReadTimeout", "lost", in_doubt=True)])
    _, dispatch, delivered, _ = play(lambda _: next(answers, Delivered()), 40)
    assert delivered == list(range(40))
    assert dispatch.attempts.resent_in_doubt == 40


def test_a_probe_of_a_partition_taken_away_does_not_hold_the_rest_for_ever():
    gone = PartitionOffsets(Partition("log", 1), Commit(0, ""))
    away = [True]
    api = Api(lambda _: OUTAGE if away[0] else Delivered())
    backoff = Backoff(100, 1_000, lambda: 0.5)
    dispatch = Dispatch([Batcher(Kind.EVENT, 10, 1 << 20, 1_000)], api, backoff)
    dispatch.add(messages(10, gone), 1_000)
    turn(dispatch, 1_000)
    turn(dispatch, 1_001)  # the outage is known; the probe is due later
    turn(dispatch, 5_000)  # the probe is out
    gone.closed = True
    answers = turn(dispatch, 5_001)
    assert len(answers.dropped) == 10
    away[0] = False
    dispatch.add(messages(10), 5_001)
    delivered = []
    for now_ms in range(5_002, 20_000, 100):
        delivered += turn(dispatch, now_ms, flush=True).delivered
    assert len(delivered) == 10


def test_what_was_being_sent_when_the_claims_lapsed_is_claimed_anew_before_it_is_sent_again():
    answers = iter([OUTAGE, Refused("Bad", "")])
    api = Api(lambda _: next(answers, Delivered()))
    backoff = Backoff(100, 1_000, lambda: 0.5)
    dispatch = Dispatch([Batcher(Kind.EVENT, 10, 1 << 20, 1_000)], api, backoff)
    dispatch.add(messages(25), 1_000)
    turn(dispatch, 1_000)
    assert len(api.calls) == 2
    assert len(dispatch.withdraw()) == 5  # gathered, not sent
    answers = turn(dispatch, 1_001)
    assert len(answers.withdrawn) == 20
    assert dispatch.is_idle
    for now_ms in range(2_000, 5_000, 100):
        turn(dispatch, now_ms, flush=True)
    assert len(api.calls) == 2


def test_a_refusal_of_a_batch_that_lost_its_bad_message_to_another_owner_is_no_verdict_on_the_rest():
    api = Api(lambda numbers: Refused("Bad", "") if 0 in numbers else Delivered())
    backoff = Backoff(100, 1_000, lambda: 0.5)
    dispatch = Dispatch([Batcher(Kind.EVENT, 2, 1 << 20, 1_000)], api, backoff)
    taken_away = PartitionOffsets(Partition("log", 0), Commit(0, ""))
    [bad], [_, good] = messages(1, taken_away), messages(2)
    dispatch.add([bad, good], 0)
    turn(dispatch, 0)
    taken_away.closed = True
    answers = turn(dispatch, 10)
    assert (answers.dropped, answers.refused) == ([bad], [])
    assert turn(dispatch, 20).delivered == [good]
    assert api.calls == [[0, 1], [1]]


def test_failures_of_a_batch_that_has_changed_since_do_not_count_against_the_rest():
    nonce = Retry("SignatureNonceUsed", "seen before", outage=False, limit=3)
    api = Api(lambda _: nonce if len(api.calls) < 5 else Delivered())
    backoff = Backoff(100, 1_000, lambda: 0.5)
    dispatch = Dispatch([Batcher(Kind.EVENT, 2, 1 << 20, 1_000)], api, backoff)
    taken_away = PartitionOffsets(Partition("log", 0), Commit(0, ""))
    [bad], [_, good] = messages(1, taken_away), messages(2)
    dispatch.add([bad, good], 0)
    for now_ms in range(0, 60_000, 1_000):
        if len(api.calls) == 2 and not taken_away.closed:
            dispatch.collect(now_ms)
            taken_away.closed = True
            assert dispatch.drop_stale() == [bad]
        if good in turn(dispatch, now_ms).delivered:
            break
    assert not dispatch.halt
    assert api.calls == [[0, 1]] * 2 + [[1]] * 3


def a_batch_that_is_not_sent(turns_before=0):
    """One batch of ten messages, whose call is not begun, and the dispatch that holds it."""
    outcomes = iter([*[Retry("ServiceUnavailable", "away")] * turns_before, Unsent()])
    api = Api(lambda _: next(outcomes, Delivered()))
    backoff = Backoff(20, 20, lambda: 0.0)
    dispatch = Dispatch([Batcher(Kind.EVENT, 10, 1 << 20, 1_000)], api, backoff)
    dispatch.add(messages(10), 0)
    return dispatch, api


def test_a_batch_that_was_not_sent_in_time_is_sent_again_and_nothing_is_held_against_it():
    dispatch, api = a_batch_that_is_not_sent()
    turn(dispatch, 0)
    turn(dispatch, 1)
    assert len(turn(dispatch, 2).delivered) == 10
    assert api.calls == [list(range(10))] * 2
    assert not dispatch.attempts.codes


def test_a_batch_whose_lease_ended_unsent_is_claimed_again():
    dispatch, _ = a_batch_that_is_not_sent()
    turn(dispatch, 0)
    assert dispatch.withdraw() == []  # it is with a sender
    answers = turn(dispatch, 1)
    assert [each.claim.key for each in answers.withdrawn] == [number.to_bytes(16) for number in range(10)]
    assert dispatch.is_idle


def test_a_probe_that_was_not_sent_makes_room_for_another():
    dispatch, _ = a_batch_that_is_not_sent(turns_before=1)
    for now_ms in (0, 1, 100, 101, 102):
        answers = turn(dispatch, now_ms)
    assert len(answers.delivered) == 10
