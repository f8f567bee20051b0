"""The schedule of faults and the lines of the workload: functions of the seed."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.soak.kinds import NATURES, FaultKind, Place, kinds_for, may_overlap
from tests.soak.schedule import PAUSE_S, QUIET_S, plan
from tests.soak.workload import CUSTOMERS, POISON, LineKind, Workload, number_of
from tests.support.examples import examples
from tests.support.paths import ROOT

KINDS = st.lists(st.sampled_from(list(FaultKind)), min_size=1, max_size=12, unique=True)


@examples(times=1)
@given(st.integers(), st.floats(10, 3_600), KINDS)
def test_a_schedule_is_the_same_for_the_same_seed_and_keeps_its_limits(seed, seconds, kinds):
    planned = plan(seed, seconds, kinds)
    assert planned == plan(seed, seconds, kinds)
    for fault in planned:
        nature = NATURES[fault.kind]
        assert fault.kind in kinds
        assert nature.shortest_s - 0.01 <= fault.lasts_s <= nature.longest_s + 0.01
        assert fault.starts_s >= QUIET_S
        assert fault.ends_s <= seconds + 0.02
    assert [fault.starts_s for fault in planned] == sorted(fault.starts_s for fault in planned)


@examples(times=1)
@given(st.integers(), st.floats(10, 3_600), KINDS)
def test_faults_of_one_place_never_overlap_and_pauses_are_free_of_faults(seed, seconds, kinds):
    planned = plan(seed, seconds, kinds)
    for first, second in pairwise(planned):
        if second.starts_s < first.ends_s:
            assert may_overlap(first.kind, second.kind)
    active_until, pauses = QUIET_S, []
    for fault in planned:
        if fault.starts_s > active_until:
            pauses.append(fault.starts_s - active_until)
        active_until = max(active_until, fault.ends_s)
    assert all(pause >= PAUSE_S[0] - 0.05 for pause in pauses)


@examples(times=0.3)
@given(st.integers(), KINDS)
def test_every_kind_comes_once_before_one_comes_again(seed, kinds):
    planned = plan(seed, 3_600, kinds)
    counts = Counter(fault.kind for fault in planned)
    assert set(counts) == set(kinds)
    # Within one round the order of two that wait for each other may change.
    assert max(counts.values()) - min(counts.values()) <= 3


def test_without_kinds_there_are_no_faults():
    assert plan(1, 600, []) == ()


def test_two_faults_of_one_place_or_of_the_broker_do_not_overlap():
    assert may_overlap(FaultKind.API_HANGS, FaultKind.BROKER_KILLED)
    assert not may_overlap(FaultKind.API_HANGS, FaultKind.API_RESET)
    assert not may_overlap(FaultKind.BROKER_KILLED, FaultKind.DEAD_TOPIC_DELETED)


def test_each_mode_has_its_kinds():
    one_host, redis = set(kinds_for(on_redis=False)), set(kinds_for(on_redis=True))
    assert one_host | redis == set(FaultKind)
    assert FaultKind.REDIS_FLUSHED not in one_host
    assert FaultKind.STORE_FULL not in redis
    assert FaultKind.REPLAY in one_host & redis
    assert set(NATURES) == set(FaultKind)


def test_the_short_soak_of_ci_plays_every_kind_that_it_names():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    seed, kinds = (re.search(rf"^SHORT_{name} := (.*)$", makefile, re.MULTILINE)[1] for name in ("SEED", "FAULTS"))
    named = [FaultKind(each) for each in kinds.split(",")]
    planned = plan(int(seed), 180.0, named)
    assert {fault.kind for fault in planned} == set(named)
    assert {NATURES[kind].place for kind in named} == set(Place)


@given(st.integers(), st.integers(1, 40))
def test_the_lines_are_the_same_however_many_are_taken_at_a_time(seed, step):
    whole, parts = Workload(seed).take(120), Workload(seed)
    assert [line for _ in range(0, 120, step) for line in parts.take(step)][:120] == whole
    assert [number_of(line.value) for line in whole] == list(range(120))


def test_the_lines_have_every_kind_and_a_repeat_names_an_earlier_event():
    lines = Workload(5).take(30_000)
    counts = Counter(line.kind for line in lines)
    assert counts[LineKind.POISON] == 3  # 1 in 10,000
    assert all(counts[kind] > 50 for kind in LineKind if kind is not LineKind.POISON)
    events = {line.event: line.number for line in lines if line.kind in {LineKind.EVENT, LineKind.BOTH}}
    assert len(events) == counts[LineKind.EVENT] + counts[LineKind.BOTH]
    assert all(events[line.event] < line.number for line in lines if line.kind is LineKind.REPEAT)
    assert all((POISON.encode() in line.value) == (line.kind is LineKind.POISON) for line in lines)
    told = [(line.customer, line.identities) for line in lines if line.customer]
    assert len({customer for customer, _ in told}) <= CUSTOMERS
    assert len(told) > len(set(told)) > len({customer for customer, _ in told})  # identities change, and change back


def test_the_page_names_every_kind_of_fault_and_only_these():
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    table = page.partition("| place | faults")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"`([a-z]+(?:-[a-z]+)+)`|`(replay)`", table)) == sorted(
        ("", kind.value) if kind is FaultKind.REPLAY else (kind.value, "") for kind in FaultKind
    )
