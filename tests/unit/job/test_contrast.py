"""An outage and wrong content may have the same code. Simulated: each ends as a person would want, in the books and in calls spent."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.job.judgements import Judgement
from tests.support.examples import examples
from tests.support.simulated_api import ANSWERS, AWAY, HOLD_MS, Outage, World, steady
from transforms.base import Kind

MINUTE_MS = 60_000
EVENTS, USERS = (Kind.EVENT,), (Kind.USER,)
JUDGED_BY_CONTRAST = ["unknown", "unknown status", "parameter"]


def slow_from(place, values):
    """Return parameters. Those from a place on have the same outcome as the ones before, so `make quick` does not play them."""
    return [*values[:place], *(pytest.param(each, marks=pytest.mark.slow) for each in values[place:])]


EACH_OF_THEM = slow_from(1, JUDGED_BY_CONTRAST)


def total_calls(world):
    return len(world.calls)


def arrivals_of(every_ms):
    return steady(int(3_000 + 2_000 / every_ms), every_ms, EVENTS)


@cache
def calls_without_poison(every_ms):
    return total_calls(World(arrivals_of(every_ms)).run())


# --- poison among good content --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", EACH_OF_THEM)
@pytest.mark.parametrize("place", slow_from(3, [0, 50, 99, 1, 49, 51, 98]))
@pytest.mark.parametrize("every_ms", [0.5, 5, 40], ids=["busy", "steady", "slow"])
def test_one_poison_message_costs_at_most_16_extra_calls(every_ms, place, answer):
    poison = 1_000 + place
    world = World(arrivals_of(every_ms), frozenset({poison}), refusal=ANSWERS[answer]).run()
    assert set(world.refused) == {poison}
    assert set(world.delivered) == world.good()
    assert not world.dispatch.halt
    assert total_calls(world) - calls_without_poison(every_ms) <= 16


@examples(times=0.2)
@given(place=st.integers(0, 3_999), senders=st.sampled_from([1, 4, 16]), seed=st.integers(0, 2**32))
def test_poison_is_found_wherever_it_lies(place, senders, seed):
    world = World(steady(6_000, 1, EVENTS), frozenset({place}), senders=senders, seed=seed).run()
    assert set(world.refused) == {place}
    assert set(world.delivered) == world.good()
    assert total_calls(world) <= 60 + 16


@pytest.mark.slow
def test_poison_1_in_10_000_in_both_operations_is_found_within_seconds():
    bad = frozenset(range(5_000, 40_000, 10_001))
    world = World(steady(40_000, 0.5), bad).run()
    assert set(world.refused) == bad
    assert set(world.delivered) == world.good()
    came = {number: at_ms for at_ms, _, number in world.arrivals}
    assert all(world.refused[number] - came[number] < 10_000 for number in bad)
    assert total_calls(world) <= 400 + 16 * len(bad)


@pytest.mark.parametrize("share", slow_from(2, [0.01, 0.1, 0.5]))
@pytest.mark.parametrize("answer", EACH_OF_THEM)
def test_much_bad_content_is_told_from_the_good(share, answer):
    count = 3_000
    bad = frozenset(number for number in range(count) if (number * 7919) % 1000 < share * 1000)
    arrivals = steady(count, 2, EVENTS) + [(at_ms, Kind.EVENT, at_ms) for at_ms in range(10_000, 600_000, 10_000)]
    world = World(arrivals, bad, refusal=ANSWERS[answer]).run()
    assert set(world.refused) == bad
    assert set(world.delivered) == world.good()
    assert total_calls(world) <= count / 100 + 60 + 18 * len(
        bad
    )  # two more, since several batches are searched at once
    assert max(world.refused.values()) < 2 * MINUTE_MS


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_batch_of_bad_messages_only_is_condemned_when_good_ones_follow(count):
    arrivals = [(0, Kind.EVENT, number) for number in range(count)]
    arrivals += [(10_000 + 1_500 * number, Kind.EVENT, 100 + number) for number in range(12)]
    world = World(arrivals, frozenset(range(count))).run()
    assert set(world.refused) == set(range(count))
    assert max(world.refused.values()) < 25_000
    assert total_calls(world) <= 12 + 16 * count


# --- nothing but poison ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", EACH_OF_THEM)
@pytest.mark.parametrize("count", [4, 100, 5_000])
def test_a_topic_of_poison_only_is_held_and_then_halts_with_no_dead_letter(count, answer):
    world = World(steady(count, 5, EVENTS), frozenset(range(count)), refusal=ANSWERS[answer]).run()
    assert not world.refused
    assert ANSWERS[answer].code in world.dispatch.halt
    assert "unknown_hold" in world.dispatch.halt
    assert HOLD_MS <= world.now_ms < HOLD_MS + MINUTE_MS
    assert total_calls(world) < 70


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_quiet_topic_with_a_bad_record_or_three_is_held_and_then_goes_on(count):
    world = World(steady(count, 700, EVENTS), frozenset(range(count))).run()
    assert set(world.refused) == set(range(count))
    assert not world.dispatch.halt
    assert all(HOLD_MS <= at_ms < HOLD_MS + 2 * MINUTE_MS for at_ms in world.refused.values())
    assert world.reasons == {
        "an error that log2mq does not know; no other event was accepted for 900 s (report.unknown_hold)"
    }
    assert total_calls(world) < 60 * count
    [hold] = world.holds[-1][1]
    assert (hold.kind, hold.messages, hold.code, hold.is_outage) == (Kind.EVENT, 1, "ES0999", False)


def test_a_fourth_bad_record_in_a_row_halts():
    arrivals = [(number * 20 * MINUTE_MS, Kind.EVENT, number) for number in range(4)]
    world = World(arrivals, frozenset(range(4))).run()
    assert set(world.refused) == {0, 1, 2}
    assert "ES0999" in world.dispatch.halt
    assert 75 * MINUTE_MS <= world.now_ms <= 76 * MINUTE_MS


def known(numbers, judgement=Judgement.CONTRAST):
    return dict.fromkeys(numbers, judgement)


@pytest.mark.parametrize("count", [1, 4, 100, 250])
def test_what_an_earlier_run_condemned_by_contrast_needs_no_other(count):
    """A replay reads bad records again, and everything else is known: nothing else is sent."""
    bad = frozenset(range(count))
    world = World(steady(count, 5, EVENTS), bad, judgements=known(bad)).run()
    assert set(world.refused) == bad
    assert not world.dispatch.halt
    assert max(world.refused.values()) < MINUTE_MS
    assert total_calls(world) < 3 * count + 30


@pytest.mark.parametrize("count", [1, 4, 30])
def test_what_an_earlier_run_gave_up_is_held_again_and_halts_nothing(count):
    bad = frozenset(range(count))
    world = World(steady(count, 5, EVENTS), bad, judgements=known(bad, Judgement.HELD)).run()
    assert set(world.refused) == bad
    assert not world.dispatch.halt
    assert all(HOLD_MS <= at_ms < HOLD_MS + 20 * MINUTE_MS for at_ms in world.refused.values())


def test_what_an_earlier_run_gave_up_outlives_an_outage_shorter_than_the_hold():
    outage = Outage(0, HOLD_MS - MINUTE_MS, frozenset(Kind), ANSWERS["unknown"])
    world = World(steady(30, 5, EVENTS), outages=[outage], judgements=known(range(30), Judgement.HELD)).run()
    assert not world.refused
    assert set(world.delivered) == world.good()


def test_what_the_api_accepts_by_now_is_delivered():
    bad = frozenset(range(0, 40, 3))
    world = World(steady(40, 5, EVENTS), bad, judgements=known(range(40))).run()
    assert set(world.refused) == bad
    assert set(world.delivered) == world.good()


def test_a_new_bad_record_among_known_ones_is_still_held_and_four_of_them_halt():
    judgements = known(range(20))
    world = World(steady(21, 5, EVENTS), frozenset(range(21)), judgements=judgements).run()
    assert set(world.refused) == world.bad
    assert world.refused[20] >= HOLD_MS
    assert max(world.refused[each] for each in judgements) < HOLD_MS
    world = World(steady(24, 5, EVENTS), frozenset(range(24)), judgements=judgements).run()
    assert set(world.refused) == set(judgements)
    assert world.dispatch.halt


@pytest.mark.parametrize("answer", ["unknown status", "parameter", "internal"])
def test_an_outage_with_another_code_than_that_of_the_verdict_condemns_nothing(answer):
    outage = Outage(0, 2 * MINUTE_MS, frozenset(Kind), ANSWERS[answer])
    world = World(steady(60, 5, EVENTS), outages=[outage], judgements=known(range(60))).run()
    assert not world.refused
    assert set(world.delivered) == world.good()
    assert not world.dispatch.halt


@pytest.mark.slow
def test_an_acceptance_in_between_begins_the_row_anew():
    arrivals = [(number * 20 * MINUTE_MS, Kind.EVENT, number) for number in range(9)]
    world = World(arrivals, frozenset({0, 1, 2, 4, 5, 6})).run()
    assert set(world.refused) == world.bad
    assert not world.dispatch.halt


def test_a_bad_record_of_a_quiet_topic_is_judged_as_soon_as_another_is_accepted():
    world = World([(0, Kind.EVENT, 0), (5 * MINUTE_MS, Kind.EVENT, 1)], frozenset({0})).run()
    assert set(world.delivered) == {1}
    assert 5 * MINUTE_MS < world.refused[0] < 5 * MINUTE_MS + 2_000
    assert world.reasons == {"an error that log2mq does not know"}
    assert world.delivered[1] < 5 * MINUTE_MS + 1_500  # a held message does not hold up the others


@pytest.mark.slow
def test_the_other_operation_gives_no_contrast_and_is_not_held_up():
    arrivals = sorted([(0, Kind.EVENT, 0), *((at_ms, Kind.USER, 1 + at_ms) for at_ms in range(0, 20 * MINUTE_MS, 977))])
    world = World(arrivals, frozenset({0})).run()
    assert world.refused[0] >= HOLD_MS
    assert all(world.delivered[1 + at_ms] - at_ms < 2_000 for at_ms in range(0, 20 * MINUTE_MS, 977))


@pytest.mark.slow
def test_an_internal_error_of_a_lone_message_is_waited_out_without_end():
    world = World(steady(1, 1), frozenset({0}), refusal=ANSWERS["internal"]).run(until_ms=2 * 3600_000)
    assert not world.refused
    assert not world.dispatch.halt


# --- outages --------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow  # some hours, simulated
@pytest.mark.parametrize("answer", sorted({*ANSWERS} - {"too large"}))
@pytest.mark.parametrize("kinds", [EVENTS, USERS, tuple(Kind)], ids=["events", "users", "both"])
@pytest.mark.parametrize("every_ms", [5, 40, 400])
def test_an_outage_condemns_nothing_and_is_over_when_it_ends(every_ms, kinds, answer):
    outage = Outage(10_000, 50_000, kinds, ANSWERS[answer])
    world = World(steady(int(80_000 / every_ms), every_ms), outages=(outage,)).run()
    assert not world.refused
    assert not world.dispatch.halt
    assert set(world.delivered) == world.good()
    assert world.now_ms < 100_000
    for other in set(Kind) - set(kinds):
        came = {number: at_ms for at_ms, kind, number in world.arrivals if kind is other}
        assert all(world.delivered[number] - at_ms < 2_500 for number, at_ms in came.items())
    spent = len([call for call in world.calls_in(10_000, 50_000) if call.kind in kinds])
    assert spent <= len(kinds) * (16 + 12)


@pytest.mark.parametrize("answer", slow_from(1, ["unknown", "internal"]))
@pytest.mark.parametrize("share", slow_from(1, [0.3, 0.05, 0.5]))
def test_an_outage_of_some_calls_condemns_nothing(share, answer):
    """One of two servers behind the API fails: the same content is refused, and accepted."""
    outage = Outage(5_000, 65_000, EVENTS, ANSWERS[answer], share)
    world = World(steady(18_000, 4, EVENTS), outages=(outage,), seed=7).run()
    assert not world.refused
    assert not world.dispatch.halt
    assert set(world.delivered) == world.good()
    assert world.now_ms < 160_000


@pytest.mark.slow
def test_a_proxy_that_takes_no_call_for_a_while_condemns_nothing():
    """Its limit for the size of a body is too low by mistake: batches are halved at once, but a message alone needs a contrast."""
    outage = Outage(10_000, 30_000, EVENTS, ANSWERS["too large"])
    world = World(steady(10_000, 4, EVENTS), outages=(outage,)).run()
    assert not world.refused
    assert not world.dispatch.halt
    assert set(world.delivered) == world.good()
    assert len(world.calls_in(10_000, 30_000)) < 300


@pytest.mark.slow  # some hours, simulated
def test_a_proxy_that_takes_no_call_for_good_halts_the_job():
    world = World(steady(10_000, 4, EVENTS), outages=(Outage(10_000, 10_000_000, EVENTS, ANSWERS["too large"]),)).run()
    assert not world.refused
    assert "HTTP413" in world.dispatch.halt


def test_a_message_that_is_too_large_costs_itself_only():
    bad = frozenset({1_000, 2_222})
    world = World(steady(4_000, 4, EVENTS), bad, refusal=ANSWERS["too large"]).run()
    assert set(world.refused) == bad
    assert set(world.delivered) == world.good()
    assert total_calls(world) <= 41 + 16 * len(bad)
    assert all(world.refused[each] - 4 * each < 5_000 for each in bad)


def test_poison_in_an_outage_of_some_calls_is_condemned_after_it():
    bad = frozenset(range(1_000, 18_000, 4_001))
    outage = Outage(1_000, 60_000, EVENTS, ANSWERS["unknown"], 0.4)
    arrivals = [*steady(18_000, 4, EVENTS), *((at_ms, Kind.EVENT, at_ms) for at_ms in range(72_500, 300_000, 500))]
    world = World(arrivals, bad, (outage,)).run()
    assert set(world.refused) == bad
    assert set(world.delivered) == world.good()
    assert all(at_ms < 300_000 for at_ms in world.refused.values())


@pytest.mark.slow  # some hours, simulated
def test_poison_in_an_outage_of_some_calls_that_lasts_for_hours_is_condemned_after_the_hold():
    arrivals = steady(40_000, 50, EVENTS)
    outage = Outage(0, 10_000_000, EVENTS, ANSWERS["unknown"], 0.2)
    world = World(arrivals, frozenset({5_000}), (outage,), most_in_flight=100_000).run(until_ms=2_100_000)
    assert set(world.refused) == {5_000}
    assert HOLD_MS <= world.refused[5_000] - 250_000 < HOLD_MS + 2 * MINUTE_MS


@pytest.mark.slow
def test_the_485_condemned_records():
    """For 40 s the event API answered an unknown code to every batch while the user API worked: 485 good records were dead-lettered."""
    outage = Outage(20_000, 60_000, EVENTS)
    world = World(steady(20_000, 5), outages=(outage,), senders=8, seed=485).run()
    assert not world.refused
    assert set(world.delivered) == world.good()
    assert len(world.calls_in(20_000, 60_000, Kind.EVENT)) < 30


@pytest.mark.parametrize("answer", slow_from(1, ["unknown", "parameter", "internal"]))
@pytest.mark.parametrize("kinds", slow_from(1, [tuple(Kind), EVENTS]), ids=["both", "events"])
def test_an_outage_while_poison_is_present(kinds, answer):
    bad = frozenset(range(41, 12_000, 997))
    outages = (Outage(10_000, 45_000, kinds, ANSWERS[answer]),)
    world = World(steady(12_800, 5), bad, outages).run()
    assert set(world.refused) == bad
    assert set(world.delivered) == world.good()
    assert not world.dispatch.halt


def outage_and_503(lasts_ms, every_ms, senders, kinds, answer, seed):
    """Return the failed calls and all calls of an outage with this answer, and of the same outage with 503."""

    def spent(outcome):
        outage = Outage(10_000, 10_000 + lasts_ms, kinds, outcome)
        arrivals = steady(int(40_000 / every_ms), every_ms)
        world = World(arrivals, outages=(outage,), senders=senders, seed=seed, most_in_flight=4_000).run()
        assert set(world.delivered) == world.good()
        return len([call for call in world.calls if not call.is_accepted]), len(world.calls)

    return spent(ANSWERS[answer]), spent(AWAY)


@pytest.mark.parametrize("lasts_ms", slow_from(1, [5_000, 40_000, 14 * MINUTE_MS]))
@pytest.mark.parametrize("kinds", [EVENTS, tuple(Kind)], ids=["events", "both"])
def test_an_outage_with_an_unknown_code_fails_no_more_calls_than_one_with_503(lasts_ms, kinds):
    (failed, calls), (failed_503, calls_503) = outage_and_503(lasts_ms, 5, 16, kinds, "unknown", 1)
    assert failed <= failed_503
    assert calls <= calls_503 + len(kinds)  # the rest of the batch of which a part was accepted first


@examples(times=0.3)
@given(
    lasts_ms=st.one_of(st.integers(0, 5_000), st.integers(0, 800_000)),
    every_ms=st.sampled_from([5, 90, 1_500]),
    senders=st.sampled_from([1, 8, 16]),
    kinds=st.sampled_from([EVENTS, tuple(Kind)]),
    answer=st.sampled_from([*JUDGED_BY_CONTRAST, "internal"]),
    seed=st.integers(0, 2**32),
)
@pytest.mark.slow
def test_whatever_the_outage_a_few_calls_more_at_most(lasts_ms, every_ms, senders, kinds, answer, seed):
    (failed, calls), (failed_503, calls_503) = outage_and_503(lasts_ms, every_ms, senders, kinds, answer, seed)
    assert failed <= failed_503 + 5 * len(kinds)
    assert calls <= calls_503 + 5 * len(kinds)


@given(
    outages=st.lists(
        st.tuples(
            st.integers(0, 60_000),
            st.one_of(st.integers(0, 5_000), st.integers(0, 60_000), st.integers(0, HOLD_MS - 1)),
            st.sampled_from(sorted(ANSWERS)),
        ),
        max_size=2,
    ),
    at_once=st.booleans(),
    bad=st.frozensets(st.integers(0, 2_999), max_size=6),
    refusal=st.sampled_from(JUDGED_BY_CONTRAST),
    every_ms=st.sampled_from([1, 10, 30, 700]),
    senders=st.sampled_from([1, 3, 16]),
    seed=st.integers(0, 2**32),
)
@pytest.mark.slow
def test_no_good_message_is_ever_condemned_by_an_outage(outages, at_once, bad, refusal, every_ms, senders, seed):
    """Each operation has one outage at most: the same one, or each its own. Poison is present."""
    kinds = [tuple(Kind)] if at_once else [EVENTS, USERS]
    world = World(
        steady(3_000 if every_ms < 100 else 150, every_ms),
        bad,
        tuple(
            Outage(begin_ms, begin_ms + lasts_ms, each, ANSWERS[answer])
            for each, (begin_ms, lasts_ms, answer) in zip(kinds, outages, strict=False)
        ),
        refusal=ANSWERS[refusal],
        senders=senders,
        seed=seed,
    ).run()
    assert set(world.refused) <= bad
    assert not set(world.delivered) & bad
    if not world.dispatch.halt:
        assert set(world.delivered) | set(world.refused) == world.good() | (
            bad & {number for _, _, number in world.arrivals}
        )


@pytest.mark.slow  # some hours, simulated
@pytest.mark.parametrize("answer", EACH_OF_THEM)
def test_an_outage_longer_than_the_hold_halts_and_condemns_nothing(answer):
    world = World(steady(20_000, 5), outages=(Outage(30_000, 24 * 60 * MINUTE_MS, EVENTS, ANSWERS[answer]),)).run()
    assert not world.refused
    assert "unknown_hold" in world.dispatch.halt
    assert 30_000 + HOLD_MS <= world.now_ms < 30_000 + HOLD_MS + MINUTE_MS


@pytest.mark.slow  # some hours, simulated
@pytest.mark.parametrize("answer", ["503", "throttled", "internal"])
def test_an_outage_with_a_known_code_is_waited_out_without_end(answer):
    world = World(steady(12_000, 5), outages=(Outage(30_000, 120 * MINUTE_MS, EVENTS, ANSWERS[answer]),)).run()
    assert not world.refused
    assert not world.dispatch.halt
    assert set(world.delivered) == world.good()
    assert world.now_ms < 121 * MINUTE_MS


# --- what is said ---------------------------------------------------------------------------------------------------------------


def test_the_log_says_what_is_held_until_when_and_when_it_is_over(caplog):
    outage = Outage(10_000, 40_000, EVENTS)
    world = World(steady(10_000, 5), outages=(outage,)).run()
    assert set(world.delivered) == world.good()
    [held, over] = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        r"[\d,]+ events refused with ES0999, no other accepted since; held for 89\d s more, then the job halts \(report\.unknown_hold\)",
        held,
    )
    assert over == "no event is held any more"


def test_a_message_held_alone_is_said_once(caplog):
    world = World([(0, Kind.EVENT, 0)], frozenset({0})).run()
    assert set(world.refused) == {0}
    [held, over] = [record.getMessage() for record in caplog.records]
    assert held.startswith("1 event refused with ES0999, no other accepted since; held for 89")
    assert held.endswith(" s more, then dead-lettered (report.unknown_hold)")
    assert over == "no event is held any more"


def test_poison_that_is_found_at_once_is_not_said_to_be_held(caplog):
    World(steady(4_000, 1, EVENTS), frozenset({1_234})).run()
    assert not caplog.records
