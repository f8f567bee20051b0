"""The judge tells every way in which a soak may fail: one thing is spoiled in the evidence of a good soak, and the bar that is missed is named."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.soak.evidence import (
    CommandExit,
    CommandKill,
    CommandStart,
    DeadLetter,
    Interruption,
    LoggedWarning,
    MemorySample,
    PlayedFault,
    PrintedBooks,
    UnmadeFault,
)
from tests.soak.judge import Bar, judge
from tests.soak.judge.clear import clear_ms, stood_ms
from tests.soak.judge.facts import Facts
from tests.soak.judge.identities import Told, Version, walk
from tests.soak.kinds import FaultKind
from tests.soak.story import story
from tests.soak.workload import EVENT_CODE, LineKind
from tests.unit.soak.good_evidence import BEGAN_MS, PID, batch, good_evidence

GOOD = good_evidence()
REPEATED = {each.line.event for each in GOOD.log if each.line.kind is LineKind.REPEAT}


def first(kind, after=200):
    """A record of this kind, from the middle of the soak; an event without a repeat."""
    return next(
        each
        for each in GOOD.log
        if each.line.kind is kind
        and each.line.number > after
        and (kind is LineKind.REPEAT or each.line.event not in REPEATED)
    )


def changing_customer():
    """A customer whose identities changed, to values that it never had before."""
    facts = Facts(GOOD)
    for customer, versions in facts.versions.items():
        told = [each.line.identities for each in versions]
        if len(told) >= 2 and len(set(told)) == len(told) and all(each.line.kind is LineKind.USER for each in versions):
            return customer, versions
    raise AssertionError


def without_event(biz):
    return [each for each in GOOD.accepted if (EVENT_CODE, biz) not in each.keys]


def again(biz, after_ms, **before):
    """The ledger with a second acceptance of an event, `after_ms` after the first one, which is changed to have `before`."""
    one = next(each for each in GOOD.accepted if (EVENT_CODE, biz) in each.keys)
    second = batch("event", [(EVENT_CODE, biz)], one.accepted_ms + after_ms, "AGAIN")
    return [*(replace(each, **before) if each is one else each for each in GOOD.accepted), second]


def missed(**changed):
    return judge(replace(GOOD, **changed)).missed


def test_a_good_soak_meets_every_bar():
    judgement = judge(GOOD)
    assert judgement.missed == []
    assert judgement.figures["records in the log"] == 2_000
    assert all(line.startswith(("met", " ")) or not line for line in judgement.lines())


def test_one_event_that_never_arrived_is_lost():
    record = first(LineKind.EVENT)
    judgement = judge(replace(GOOD, accepted=without_event(record.line.event)))
    assert judgement.missed == [Bar.LOST]
    (finding,) = judgement.findings
    assert finding.records == (record.line.number,)


def test_a_record_that_nobody_finished_or_committed_is_stranded():
    record = first(LineKind.EVENT)
    snapshots = [
        replace(
            each, offsets={**each.offsets, record.partition: min(record.offset, each.offsets.get(record.partition, 0))}
        )
        for each in GOOD.snapshots
    ]
    judgement = judge(replace(GOOD, accepted=without_event(record.line.event), snapshots=snapshots))
    assert Bar.LOST in judgement.missed
    assert "stranded" in next(each.sentence for each in judgement.findings if each.bar is Bar.LOST)


def test_a_commit_past_an_event_that_arrives_later_is_told_though_nothing_is_lost_in_the_end():
    record = first(LineKind.EVENT)
    late = batch("event", [(EVENT_CODE, record.line.event)], GOOD.ended_ms - 1, "LATE")
    assert missed(accepted=[*without_event(record.line.event), late]) == [Bar.LOST]


def test_a_commit_that_goes_back_is_told():
    snapshots = [*GOOD.snapshots, GOOD.snapshots[10], GOOD.snapshots[-1]]
    assert missed(snapshots=snapshots) == [Bar.LOST]


def test_a_refused_record_without_a_dead_letter_is_lost():
    assert missed(dead_letters=GOOD.dead_letters[1:]) == [Bar.LOST]


def test_identities_that_were_never_told_are_lost():
    customer, versions = changing_customer()
    accepted = [each for each in GOOD.accepted if each.identities != [versions[-1].line.identities]]
    assert set(missed(accepted=accepted)) == {Bar.LOST, Bar.IDENTITIES}


def test_identities_that_came_back_must_be_told_again():
    facts = Facts(GOOD)
    for customer, versions in facts.versions.items():
        told = [each.line.identities for each in versions]
        if len(told) > 2 and told[-1] != told[-2] and told[-1] in told[:-2]:
            last = [batch for digest, batch in facts.users[customer] if digest == told[-1]][-1]
            accepted = [each for each in GOOD.accepted if each is not last]
            assert set(missed(accepted=accepted)) == {Bar.LOST, Bar.IDENTITIES}
            return
    raise AssertionError


def test_identities_that_the_log_took_back_before_they_were_told_need_not_be_told():
    """The log tells v1, v2 and v1 again in another partition, which is read first: Quick Audience has v1, and v2 never counts."""
    for customer, versions in Facts(GOOD).versions.items():
        told = [each.line.identities for each in versions]
        places = [
            place
            for place in range(1, len(told) - 1)
            if told[place - 1] == told[place + 1] != told[place] and versions[place].line.kind is LineKind.USER
        ]
        if places:
            left_out, back = versions[places[0]], versions[places[0] + 1]
            accepted = [
                each
                for each in GOOD.accepted
                if (customer,) not in each.keys
                or each.identities not in ([left_out.line.identities], [back.line.identities])
                or each.accepted_ms < left_out.at_ms
            ]
            facts = Facts(replace(GOOD, accepted=accepted))
            assert facts.finished_ms[left_out.line.number] == back.at_ms
            return
    raise AssertionError


@pytest.mark.parametrize(
    "strange",
    [
        batch("event", [(EVENT_CODE, "e-nobody")], BEGAN_MS, "S1"),
        batch("event", [("view_item", "e1")], BEGAN_MS, "S2"),
        batch("user", [("c0",)], BEGAN_MS, "S3", ["0" * 16]),
    ],
    ids=["event", "code", "identities"],
)
def test_a_message_that_no_record_makes_is_unknown(strange):
    assert Bar.UNKNOWN in missed(accepted=[strange, *GOOD.accepted])


def test_one_event_twice_is_told_with_its_time():
    biz = first(LineKind.EVENT).line.event
    judgement = judge(replace(GOOD, accepted=again(biz, 3_000)))
    assert judgement.missed == [Bar.TWICE]
    assert "no fault" in judgement.findings[0].sentence


def test_an_answer_that_was_cut_or_came_too_late_excuses_one_more():
    biz = first(LineKind.EVENT).line.event
    one = next(each for each in GOOD.accepted if (EVENT_CODE, biz) in each.keys)
    assert missed(accepted=again(biz, 3_000, passed_ms=None)) == []
    assert missed(accepted=again(biz, 4_000, passed_ms=one.received_ms + 2_600)) == []
    third = batch("event", [(EVENT_CODE, biz)], one.accepted_ms + 9_000, "THIRD")  # the second answer arrived
    assert missed(accepted=[*again(biz, 3_000, passed_ms=None), third]) == [Bar.TWICE]


def test_a_kill_excuses_the_batches_in_flight_and_no_more():
    biz = first(LineKind.EVENT).line.event
    one = next(each for each in GOOD.accepted if (EVENT_CODE, biz) in each.keys)
    accepted = again(biz, 9_000)
    killed = Interruption(one.passed_ms + 300, "SIGKILL", "a worker", PID)
    assert missed(accepted=accepted, interruptions=[killed]) == []
    for after_ms in (-2_000, 1_000, 4_900):
        assert missed(accepted=accepted, interruptions=[replace(killed, at_ms=one.passed_ms + after_ms)]) == [Bar.TWICE]
    assert missed(accepted=accepted, interruptions=[replace(killed, pid=8)]) == [Bar.TWICE]  # another process knew
    unknown = again(biz, 9_000, client=None)  # nobody knows which process got the answer
    judgement = judge(replace(GOOD, accepted=unknown, interruptions=[replace(killed, pid=8)]))
    assert judgement.missed == []
    assert judgement.figures["answers of which the process is not known"] == 1


def test_an_answer_that_arrives_while_the_store_fails_is_in_flight_until_the_store_is_back():
    biz = first(LineKind.EVENT).line.event
    one = next(each for each in GOOD.accepted if (EVENT_CODE, biz) in each.keys)
    accepted = again(biz, 19_000)
    killed = Interruption(one.passed_ms + 4_000, "SIGKILL", "a worker", PID)
    for kind, lasts_ms, bars in (
        (FaultKind.REDIS_PAUSED, 4_000, []),
        (FaultKind.REDIS_PAUSED, 3_000, [Bar.TWICE]),
        (FaultKind.API_LATENCY, 4_000, [Bar.TWICE]),
    ):
        faults = [PlayedFault(kind, one.passed_ms - 100, one.passed_ms + lasts_ms)]
        assert missed(accepted=accepted, interruptions=[killed], faults=faults) == bars


def test_a_kill_excuses_at_most_as_many_batches_as_there_are_senders():
    events = [each for each in GOOD.log if each.line.kind is LineKind.EVENT and each.line.event not in REPEATED][50:53]
    first_ms = events[0].at_ms
    sent = [batch("event", [(EVENT_CODE, each.line.event)], first_ms + 1_000, f"F{n}") for n, each in enumerate(events)]
    second = [
        batch("event", [(EVENT_CODE, each.line.event)], first_ms + 20_000, f"G{n}") for n, each in enumerate(events)
    ]
    others = [
        each for each in GOOD.accepted if not {key[-1] for key in each.keys} & {each.line.event for each in events}
    ]
    killed = [Interruption(first_ms + 1_100, "SIGKILL", "a worker", PID)]
    judgement = judge(replace(GOOD, accepted=[*others, *sent, *second], interruptions=killed))
    twice = [each for each in judgement.findings if each.bar is Bar.TWICE]
    assert [each.count for each in twice] == [1]  # three batches, and two senders
    assert judgement.figures["twice, in flight at a SIGKILL"] == 2


def test_a_stop_beyond_the_lease_excuses_what_was_under_way_and_not_what_is_sent_after_it():
    biz = first(LineKind.EVENT).line.event
    one = next(each for each in GOOD.accepted if (EVENT_CODE, biz) in each.keys)
    stopped = Interruption(one.received_ms + 1, "SIGSTOP", "a worker", PID)
    assert missed(accepted=again(biz, 9_000), interruptions=[stopped]) == []
    assert missed(accepted=again(biz, 9_000), interruptions=[replace(stopped, at_ms=one.received_ms - 5_000)]) == [
        Bar.TWICE
    ]


def test_a_store_that_lost_its_memory_excuses_one_more():
    biz = first(LineKind.EVENT).line.event
    one = next(each for each in GOOD.accepted if (EVENT_CODE, biz) in each.keys)
    for lost_ms in (
        one.accepted_ms + 50,
        one.accepted_ms - 50,
    ):  # the second one was claimed before the loss, and sent after it
        assert Bar.TWICE not in missed(accepted=again(biz, 9_000), store_losses_ms=[lost_ms])
    for lost_ms in (one.accepted_ms - 2_000, one.accepted_ms + 9_050):
        assert Bar.TWICE in missed(accepted=again(biz, 9_000), store_losses_ms=[lost_ms])


def test_a_store_that_lost_its_memory_excuses_what_is_read_again_soon_and_nothing_later():
    biz = first(LineKind.EVENT).line.event
    one = next(each for each in GOOD.accepted if (EVENT_CODE, biz) in each.keys)
    lost = {"store_losses_ms": [one.accepted_ms + 50]}
    late = again(biz, 61_000)
    assert Bar.TWICE in missed(accepted=late, **lost)
    replayed = [PlayedFault(FaultKind.REPLAY, one.accepted_ms + 55_000, one.accepted_ms + 70_000)]
    assert Bar.TWICE not in missed(accepted=late, **lost, faults=replayed)
    record = next(each for each in GOOD.log if each.line.event == biz)
    repeat = replace(
        record,
        line=replace(record.line, kind=LineKind.REPEAT, number=5_000),
        offset=GOOD.snapshots[-1].offsets[record.partition],
        at_ms=one.accepted_ms + 40_000,
    )
    assert Bar.TWICE not in missed(accepted=late, **lost, log=[*GOOD.log, repeat])
    outage = [PlayedFault(FaultKind.API_UNAVAILABLE, one.accepted_ms + 1_000, one.accepted_ms + 20_000)]
    assert Bar.TWICE not in missed(accepted=late, **lost, faults=outage)  # nothing was reported meanwhile


def test_identities_to_which_the_log_goes_back_are_told_once_for_each_time_and_not_too_early():
    def told(*acceptances):
        return walk(
            [Version("v1", 1_000), Version("v2", 20_000), Version("v1", 40_000)],
            [Told(identities, at_ms) for identities, at_ms in acceptances],
            lambda *_: False,
            lambda *_: False,
        )

    assert told(("v1", 1_500), ("v2", 20_500), ("v1", 40_500)) == ([], [])
    assert told(("v1", 1_500), ("v1", 41_000)) == ([], [])  # the second change was left out
    assert told(("v1", 41_000), ("v2", 42_000), ("v1", 43_000)) == ([], [])  # late, and in order
    assert told(("v1", 1_500), ("v1", 2_000)) == ([], [1])  # told again before the log went on
    assert told(("v1", 1_500), ("v2", 20_500), ("v1", 40_500), ("v1", 41_000)) == ([], [3])
    assert told(("v1", 1_500), ("v2", 20_500), ("v1", 30_000)) == ([2], [])  # 10 s before the log said so
    assert told(("v2", 20_500), ("v1", 30_000), ("v1", 40_500)) == ([1], [])
    assert told(("v3", 20_500)) == ([0], [])


def test_a_store_that_lost_its_memory_lets_the_versions_begin_again():
    versions = [Version("v1", 1_000), Version("v2", 2_000)]
    told = [Told(each, 3_000) for each in ("v1", "v2", "v1", "v2")]
    assert walk(versions, told, lambda *_: False, lambda *_: False) == ([2], [])
    assert walk(versions, told, lambda *_: False, lambda _, at: at == 2) == ([], [])
    versions.append(Version("v1", 3_000))
    told = [Told(each, 4_000) for each in ("v1", "v2", "v1") * 2]  # a replay tells the same versions again
    assert walk(versions, told, lambda *_: False, lambda _, at: at == 3) == ([], [])
    assert walk(versions, told, lambda *_: False, lambda *_: False) == ([4], [3])


def test_identities_twice_in_a_row_are_told():
    customer, versions = changing_customer()
    place = next(n for n, each in enumerate(GOOD.accepted) if each.keys == [(customer,)])
    one = GOOD.accepted[place]
    second = replace(
        one,
        request_id="AGAIN",
        received_ms=one.received_ms + 50,
        accepted_ms=one.accepted_ms + 50,
        passed_ms=one.passed_ms + 50,
    )
    assert missed(accepted=[*GOOD.accepted[: place + 1], second, *GOOD.accepted[place + 1 :]]) == [Bar.TWICE]


def test_an_older_identity_after_a_newer_is_told():
    customer, versions = changing_customer()
    old, new = versions[0].line.identities, versions[-1].line.identities
    times = {"received_ms": GOOD.ended_ms - 9, "accepted_ms": GOOD.ended_ms - 8, "passed_ms": GOOD.ended_ms - 7}
    stale = batch("user", [(customer,)], 0, "OLD", [old], **times)
    judgement = judge(replace(GOOD, accepted=[*GOOD.accepted, stale]))
    assert judgement.missed == [Bar.IDENTITIES]
    assert len(judgement.findings) == 2  # it went back, and it ended there
    newest = batch("user", [(customer,)], 0, "NEW", [new], **times)
    judgement = judge(replace(GOOD, accepted=[*GOOD.accepted, stale, newest]))
    assert [each.bar for each in judgement.findings] == [Bar.IDENTITIES]  # it went back, and came right


def test_a_call_that_was_given_up_and_is_accepted_late_takes_no_identities_back():
    customer, versions = changing_customer()
    old, new = versions[0].line.identities, versions[-1].line.identities
    first_ms = next(each.received_ms for each in GOOD.accepted if each.keys == [(customer,)])
    times = {"received_ms": first_ms - 1, "accepted_ms": GOOD.ended_ms - 8, "passed_ms": None}
    assert new != old
    assert missed(accepted=[*GOOD.accepted, batch("user", [(customer,)], 0, "LATE", [old], **times)]) == []


def test_a_doubled_dead_letter_is_told():
    letter = GOOD.dead_letters[2]
    letters = [*GOOD.dead_letters, replace(letter, at_ms=letter.at_ms + 9)]
    assert missed(dead_letters=letters) == [Bar.DEAD_LETTERS_ONCE]
    for lost_ms, bars in (
        (letter.at_ms + 5, []),
        (letter.at_ms - 2_000, [Bar.DEAD_LETTERS_ONCE]),
        (letter.at_ms + 20, [Bar.DEAD_LETTERS_ONCE]),
    ):
        found = missed(dead_letters=letters, store_losses_ms=[lost_ms])
        assert [each for each in found if each is not Bar.STORE_LOSS] == bars


@pytest.mark.parametrize(
    ("after_ms", "signal", "bars"),
    [
        (-1, "SIGKILL", []),  # the time of the kill is noted before it
        (400, "SIGKILL", []),
        (900, "SIGKILL", [Bar.DEAD_LETTERS_ONCE]),
        (-400, "SIGKILL", [Bar.DEAD_LETTERS_ONCE]),
        (100, "SIGSTOP", [Bar.DEAD_LETTERS_ONCE]),
    ],
)
def test_a_dead_letter_that_was_in_flight_at_a_kill_may_be_written_again(after_ms, signal, bars):
    letter = GOOD.dead_letters[2]
    letters = [*GOOD.dead_letters, replace(letter, at_ms=letter.at_ms + 6_000)]
    killed = Interruption(letter.at_ms + after_ms, signal, "a worker", PID)
    assert missed(dead_letters=letters, interruptions=[killed]) == bars


@pytest.mark.parametrize("place", [first(LineKind.EVENT).place, (0, 1_000_000)], ids=["good record", "no record"])
def test_a_dead_letter_that_is_not_poison_is_told(place):
    assert missed(dead_letters=[*GOOD.dead_letters, DeadLetter(*place, BEGAN_MS, "API_REFUSED")]) == [Bar.DEAD_LETTERS]


def test_an_event_that_became_a_dead_letter_instead_is_lost_too():
    record = first(LineKind.EVENT)
    letters = [*GOOD.dead_letters, DeadLetter(*record.place, BEGAN_MS, "API_REFUSED")]
    assert missed(accepted=without_event(record.line.event), dead_letters=letters) == [Bar.LOST, Bar.DEAD_LETTERS]


def test_printed_books_that_do_not_add_up_are_told():
    (printed,) = GOOD.printed
    assert missed(printed=[replace(printed, books={**printed.books, "read": printed.books["read"] + 1})]) == [Bar.BOOKS]


def test_a_printed_count_that_falls_is_told():
    (closing,) = GOOD.printed
    more = {**closing.books, "read": closing.books["read"] + 5, "filtered": closing.books["filtered"] + 5}
    assert missed(printed=[PrintedBooks(BEGAN_MS, "host-a-1", more), closing]) == [Bar.BOOKS]


def less(books, count):
    return {**books, "read": books["read"] - count, "reported": books["reported"] - count}


def test_closing_summaries_that_miss_records_are_told_also_where_a_worker_was_killed():
    (closing,) = GOOD.printed
    printed = [replace(closing, books=less(closing.books, 500))]
    assert missed(printed=printed) == [Bar.BOOKS]
    killed = {
        "faults": [PlayedFault(FaultKind.WORKER_KILLED, BEGAN_MS, BEGAN_MS + 1)],
        "interruptions": [Interruption(BEGAN_MS, "SIGKILL", "a worker", 99)],
    }
    assert missed(printed=printed, **killed) == [Bar.BOOKS]
    assert missed(printed=[]) == [Bar.BOOKS]


def test_a_command_that_was_killed_may_miss_what_was_committed_after_its_last_line():
    (closing,) = GOOD.printed
    at_ms = GOOD.snapshots[20].at_ms
    last_ms, then, by_then = at_ms - 5_000, GOOD.snapshots[20], GOOD.snapshots[15]
    committed, before = sum(then.offsets.values()), sum(by_then.offsets.values())
    empty = dict.fromkeys(closing.books, 0)
    second = PrintedBooks(
        closing.at_ms, "host-a-2", {**empty, "read": 2_000 - committed, "reported": 2_000 - committed}, is_closing=True
    )
    first_one = PrintedBooks(last_ms, "host-a-1", {**empty, "read": before, "reported": before})
    starts = [*GOOD.starts, CommandStart(at_ms + 1_000, "host-a-2")]
    killed = {"kills": [CommandKill(at_ms, "host-a-1")], "starts": starts}
    assert missed(printed=[first_one, second], **killed) == []
    assert missed(printed=[second], **killed) == []  # it printed nothing at all
    short = replace(second, books=less(second.books, 20))
    assert missed(printed=[first_one, short], **killed) == [Bar.BOOKS]
    # Another command was the one that moved the commits in that time.
    others = [
        PrintedBooks(when_ms, "host-b-1", {**empty, "read": count, "reported": count})
        for when_ms, count in ((last_ms, 0), (at_ms, committed - before))
    ]
    rest = replace(second, books=less(second.books, committed - before))
    printed = [first_one, *others, replace(others[1], is_closing=True), rest]
    assert missed(printed=printed, **killed) == [Bar.BOOKS]


@pytest.mark.parametrize("column", ["filtered", "dead_lettered", "events_reported", "events_refused"])
def test_the_books_of_the_last_commits_are_compared_with_the_log(column):
    last = GOOD.snapshots[-1]
    other = next(name for name in ("duplicate", "reported") if name != column)
    books = {**last.books[0], column: last.books[0][column] + 1, other: last.books[0][other] - 1}
    assert Bar.BOOKS in missed(snapshots=[*GOOD.snapshots[:-1], replace(last, books={**last.books, 0: books})])


def test_books_in_a_commit_that_count_less_than_its_offset_are_told():
    some = GOOD.snapshots[5]
    books = {**some.books[0], "reported": some.books[0]["reported"] - 1}
    assert missed(
        snapshots=[*GOOD.snapshots[:5], replace(some, books={**some.books, 0: books}), *GOOD.snapshots[6:]]
    ) == [Bar.BOOKS]


def test_a_process_that_grows_is_told_and_one_that_is_large_too():
    growing = [
        MemorySample(BEGAN_MS + second * 1_000, 8, "host-b-1", (60 << 20) + second * (1 << 19)) for second in range(300)
    ]
    assert missed(memory=growing) == [Bar.MEMORY]
    assert missed(memory=growing[:70]) == []  # too young to say
    assert missed(memory=[MemorySample(BEGAN_MS, 8, "host-b-1", 200 << 20)]) == [Bar.MEMORY]


@pytest.mark.parametrize(("bytes_a_s", "lives_s"), [(2 << 20, 80), (2 << 20, 170), (32 << 10, 1_700)])
def test_a_leak_is_told_whatever_outages_left_in_the_process_before(bytes_a_s, lives_s):
    def life(grows):
        jump = Random(4).randrange(lives_s)  # an outage fills the buffers once
        return [
            MemorySample(
                BEGAN_MS + second * 1_000, 8, "host-b-1", (60 << 20) + grows * second + (second >= jump) * (15 << 20)
            )
            for second in range(lives_s)
        ]

    assert missed(memory=life(bytes_a_s)) == [Bar.MEMORY]
    assert missed(memory=life(0)) == []
    assert judge(replace(GOOD, memory=life(0))).figures["lives whose growth is judged"] == 1


def stalled(seconds, faults=()):
    """The first partition stands for so long after everything else of the good soak, with a record to read."""
    last = GOOD.snapshots[-1]
    behind = {**last.ends, 0: last.ends[0] + 1}
    still = [replace(last, at_ms=last.at_ms + second * 1_000, ends=behind) for second in range(1, seconds)]
    moved = replace(still[-1], at_ms=still[-1].at_ms + 1_000, ends=last.ends)
    return missed(snapshots=[*GOOD.snapshots, *still, moved], faults=faults)


def test_a_partition_that_stands_still_is_told_and_the_longest_fault_does_not_count():
    assert stalled(50) == []
    assert stalled(70) == [Bar.PROGRESS]
    began_ms = GOOD.snapshots[-1].at_ms
    assert stalled(70, [PlayedFault(FaultKind.BROKER_KILLED, began_ms, began_ms + 20_000)]) == []
    assert stalled(70, [PlayedFault(FaultKind.BROKER_KILLED, began_ms, began_ms + 5_000)]) == [Bar.PROGRESS]
    for kind in (FaultKind.REPLAY, FaultKind.API_LATENCY, FaultKind.CLOCK_BACK):  # it holds no partition
        assert stalled(70, [PlayedFault(kind, began_ms, began_ms + 20_000)]) == [Bar.PROGRESS]


def test_faults_with_pauses_do_not_stop_the_clock_again_and_again():
    began_ms = GOOD.snapshots[-1].at_ms
    kinds = [FaultKind.BROKER_KILLED, FaultKind.API_HANGS, FaultKind.WORKER_KILLED, FaultKind.API_UNAVAILABLE]
    faults = [
        PlayedFault(kind, began_ms + place * 24_000, began_ms + place * 24_000 + 10_000)
        for place, kind in enumerate(kinds)
    ]
    assert stalled(105, faults) == [Bar.PROGRESS]
    assert stalled(65, faults) == []


def test_records_that_wait_long_are_told_though_their_partition_moves_now_and_then():
    last = GOOD.snapshots[-1]
    waiting = [each for each in GOOD.log if each.partition == 0][-20:]

    def slow(every_ms):
        """One record of the first partition is committed in so long."""
        return [
            replace(last, at_ms=last.at_ms + place * every_ms, offsets={**last.offsets, 0: each.offset})
            for place, each in enumerate(waiting)
        ] + [replace(last, at_ms=last.at_ms + len(waiting) * every_ms)]

    def judged(every_ms):
        before = [
            replace(each, offsets={**each.offsets, 0: min(each.offsets.get(0, 0), waiting[0].offset)})
            for each in GOOD.snapshots
        ]
        snapshots = [replace(each, books=_books(each)) for each in [*before, *slow(every_ms)]]
        return judge(replace(GOOD, snapshots=snapshots))

    assert judged(1_000).missed == []
    judgement = judged(8_000)
    assert judgement.missed == [Bar.PROGRESS]
    (finding,) = judgement.findings
    assert finding.records[0] in {each.line.number for each in waiting}
    assert judgement.figures["longest stand of a partition beside the longest fault, s"] <= 20


def _books(snapshot):
    """Books that count what a commit names."""
    books = dict(snapshot.books)
    for partition, offset in snapshot.offsets.items():
        of = dict(books.get(partition, {}))
        of["reported"] = (
            of.get("reported", 0)
            + offset
            - sum(of.get(name, 0) for name in ("reported", "duplicate", "filtered", "dead_lettered"))
        )
        books[partition] = of
    return books


def test_ends_that_no_fault_explains_are_told():
    ended = CommandExit(BEGAN_MS + 5_000, "host-a-1", 5, was_asked=False)
    assert missed(exits=[ended]) == [Bar.EXITS]
    assert missed(exits=[ended], faults=[PlayedFault(FaultKind.STORE_FULL, BEGAN_MS, BEGAN_MS + 9_000)]) == []
    assert missed(exits=[ended], faults=[PlayedFault(FaultKind.API_LATENCY, BEGAN_MS, BEGAN_MS + 9_000)]) == [Bar.EXITS]
    assert missed(exits=[replace(ended, was_asked=True, code=0, waited_s=21.0)]) == [Bar.EXITS]
    assert missed(exits=[replace(ended, was_asked=True, code=70, waited_s=1.0)]) == [Bar.EXITS]
    assert missed(exits=[replace(ended, command="replay-1", code=0)]) == []
    assert missed(exits=[replace(ended, was_asked=True, code=-15)]) == []  # Python was still starting
    assert missed(exits=[replace(ended, was_asked=True, code=-15, last_line="log2mq: worker 0 runs")]) == [Bar.EXITS]
    assert missed(exits=[replace(ended, was_asked=True, code=130, last_line="log2mq: interrupted")]) == []
    assert missed(exits=[replace(ended, was_asked=True, code=130, last_line="log2mq: ended at once")]) == [Bar.EXITS]


def told(*sentences, every_ms=4_000, command="host-a-1"):
    return [LoggedWarning(BEGAN_MS + 1_000 + place * every_ms, command, each) for place, each in enumerate(sentences)]


@pytest.mark.parametrize(
    "end",
    [
        "left with exit code 1",
        "left with exit code 70; starting it again in 1 s",
        "ended: a fault in log2mq itself (KeyError); starting it again in 1 s",
        "was killed by SIGSEGV; starting it again in 1 s",
        "did not end within stop.grace; it was killed",
    ],
)
def test_a_worker_that_ends_without_a_cause_is_told_though_its_supervisor_starts_it_again(end):
    lines = told(*[f"worker 0 runs as process {PID}", f"worker 0 {end}"] * 3)
    judgement = judge(replace(GOOD, warnings=lines))
    assert judgement.missed == [Bar.WORKERS]
    assert judgement.figures["ends of workers that a supervisor told"] == 3
    elsewhere = [Interruption(each.at_ms - 500, "SIGKILL", "a worker", PID + 1) for each in lines]
    assert missed(warnings=lines, interruptions=elsewhere) == [Bar.WORKERS]
    full = [PlayedFault(FaultKind.API_UNAVAILABLE, BEGAN_MS, BEGAN_MS + 60_000)]
    assert missed(warnings=lines, faults=full) == [Bar.WORKERS]


def test_a_worker_that_the_soak_killed_or_whose_store_was_full_may_end():
    lines = told(f"worker 0 runs as process {PID}", "worker 0 was killed by SIGKILL; starting it again in 1 s")
    killed = Interruption(lines[1].at_ms - 500, "SIGKILL", "a worker", PID)
    assert missed(warnings=lines, interruptions=[killed]) == []
    assert missed(warnings=lines, interruptions=[replace(killed, at_ms=killed.at_ms - 9_000)]) == [Bar.WORKERS]
    full = [PlayedFault(FaultKind.STORE_FULL, BEGAN_MS, BEGAN_MS + 60_000)]
    assert missed(warnings=lines, faults=full) == [Bar.WORKERS]  # no error that a person must mend is said
    ended = told(f"worker 0 runs as process {PID}", "worker 0 ended: the dedup store cannot be written")
    assert missed(warnings=ended, faults=full) == []


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "log2mq: a fault in log2mq itself (KeyError). Set LOG2MQ_TRACEBACK=1 and try again to see where; please report it",
        "pipeline.job.books.BooksUnbalanced: 5 records were read, and 4 have an outcome",
    ],
)
def test_a_line_that_tells_of_a_fault_of_log2mq_is_told_also_beside_a_kill(line):
    killed = [Interruption(BEGAN_MS + 3_000, "SIGKILL", "a worker", PID)]
    assert missed(warnings=[LoggedWarning(BEGAN_MS + 4_000, "host-a-1", line)], interruptions=killed) == [Bar.WORKERS]


def test_lines_that_were_not_written_are_told_and_faults_that_were_not_made_are_counted():
    assert missed(unwritten=3) == [Bar.WRITTEN]
    unmade = [UnmadeFault(BEGAN_MS, FaultKind.PARTITIONS_ADDED, "the topic has 8 partitions already")]
    judgement = judge(replace(GOOD, planned=5, unmade=unmade))
    assert judgement.missed == []
    assert (judgement.figures["faults made"], judgement.figures["faults planned"]) == (4, 5)


def test_a_host_that_does_not_notice_a_lost_store_is_told():
    ends = [replace(GOOD.exits[0], command=f"{host}-1") for host in ("host-a", "host-b")]
    said = [
        LoggedWarning(BEGAN_MS + 4_000, f"{host}-1", "the dedup store has lost its entries")
        for host in ("host-a", "host-b")
    ]
    losses = {"exits": ends, "store_losses_ms": [BEGAN_MS + 3_000]}
    assert missed(**losses, warnings=said) == []
    assert missed(**losses, warnings=said[:1]) == [Bar.STORE_LOSS]
    twice = {**losses, "store_losses_ms": [BEGAN_MS + 3_000, BEGAN_MS + 9_000]}
    assert missed(**twice, warnings=said) == [Bar.STORE_LOSS]


@given(st.lists(st.sampled_from("abc"), max_size=8), st.data())
def test_a_walk_through_the_versions_is_in_order_and_what_goes_back_is_not(wanted, data):
    versions = [Version(each, place) for place, each in enumerate(wanted)]
    chosen = [each for each in versions if data.draw(st.booleans())]
    steps = [Told(each.identities, 10) for each in chosen]
    assert walk(versions, steps, lambda *_: False, lambda *_: False) == ([], [])
    twice = [each for each in steps for _ in range(2)]
    assert walk(versions, twice, lambda *_: True, lambda *_: False).again == []
    assert walk(versions, [*steps, Told("d", 10)], lambda *_: False, lambda *_: False) == ([len(steps)], [])


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 30)), max_size=6), st.integers(0, 100), st.integers(0, 50)
)
def test_clear_time_is_what_no_fault_takes(spans, start, length):
    faults = [PlayedFault(FaultKind.REPLAY, at, at + lasts) for at, lasts in spans]
    plain = sum(not any(each.from_ms <= ms < each.to_ms for each in faults) for ms in range(start, start + length))
    assert clear_ms(faults, start, start + length) == plain
    assert plain <= stood_ms(faults, start, start + length) <= length
    if len(faults) == 1:
        assert stood_ms(faults, start, start + length) == plain


def test_a_story_has_every_place_where_the_record_was_seen():
    record = first(LineKind.EVENT)
    evidence = replace(
        GOOD,
        accepted=again(record.line.event, 3_000, passed_ms=None),
        happenings=[(record.at_ms, "SIGKILL to a worker")],
    )
    told = "\n".join(story(Facts(evidence), record.line.number))
    assert f"partition {record.partition}, offset {record.offset}" in told
    assert told.count(f"event {record.line.event} accepted") == 2
    assert "its answer was cut" in told
    assert "SIGKILL to a worker" in told
    assert f"below the commit of partition {record.partition}" in told
