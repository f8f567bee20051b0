"""The live view of a running job: its rates, and the stage that holds the others up."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.pauses import PauseReason
from pipeline.job.flow.state import FlowState, Slowed
from pipeline.observe.console import output
from pipeline.observe.status_document import status_document
from pipeline.observe.top_rates import TopRates, quantile
from pipeline.observe.top_view import top_view
from tests.unit.observe.test_metrics import NOW_MS, busy, view, working
from transforms.base import Kind

BOUNDS = (5, 10, 25, 50)


@given(st.lists(st.integers(0, 50), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_within_the_bucket_of_the_value(values, share):
    counts = [
        sum(below < value <= bound for value in values) for below, bound in zip((-1, *BOUNDS), BOUNDS, strict=False)
    ]
    found = quantile(share, BOUNDS, [*counts, 0])
    exact = sorted(values)[max(0, -(-int(share * len(values) * 1_000_000) // 1_000_000) - 1)]
    bucket = next(place for place, bound in enumerate(BOUNDS) if exact <= bound)
    assert (0, *BOUNDS)[max(0, bucket - 1)] <= found <= BOUNDS[min(3, bucket + 1)]


def test_a_quantile_above_the_last_bound_is_that_bound():
    assert quantile(0.95, BOUNDS, [0, 0, 0, 0, 3]) == 50
    assert quantile(0.5, BOUNDS, [0] * 5) is None
    assert quantile(0.5, BOUNDS, [0, 4, 0, 0, 0]) == 7.5


def document(*statuses, **more):
    return json.loads(json.dumps(status_document(view(*statuses, **more))))


def after(before, seconds=2.0, **changes):
    """The same job later, with more done."""
    now = copy.deepcopy(before)
    now["running_ms"] += int(seconds * 1000)
    for name, count in changes.items():
        now["books"][name] += count
    return now


def test_rates_are_the_difference_of_two_looks():
    before = document(busy())
    now = after(before, read=500, reported=400)
    now["operations"][0]["answers"][0]["calls"] += 10
    now["operations"][0]["answers"][1]["calls"] += 4
    now["operations"][0]["call_ms"]["counts"][2] += 10
    rates = TopRates.between(before, now)
    assert (rates.seconds, rates.books["read"], rates.books["reported"], rates.books["filtered"]) == (2, 250, 200, 0)
    events, users = rates.operations
    assert (events.calls, dict(events.failed)) == (7, {("throttled", "Throttling.User"): 2})
    assert events.call_ms == (17.5, 24.25)
    assert (users.calls, users.call_ms) == (0, (None, None))


def test_a_job_that_was_started_again_counts_from_its_start():
    before, now = after(document(busy()), read=1_000), document(busy())
    rates = TopRates.between(before, now)
    assert rates.books["read"] == 13 / 60


def slowest(status, change=lambda _: None, **more):
    before = document(status, **more)
    now = after(before, 1.0)
    change(now)
    return TopRates.between(before, now).slowest


def test_the_slowest_stage_is_named():
    assert slowest(working()) == "none: every record is read"
    away = working(flows=(FlowState(Kind.EVENT, why=Slowed.AWAY, code="HTTP503", until_ms=NOW_MS, away_since_ms=0),))
    assert slowest(away).startswith("Quick Audience: events: Quick Audience is away (HTTP503)")
    assert slowest(working(held="the schema 7 is asked for")) == "the schema 7 is asked for"

    def wait_for_store(now):
        now["dedup"]["ms"]["claim"]["sum"] += 700

    assert slowest(working(), wait_for_store) == "the dedup store: the loop waits for it 70% of the time"
    senders = working(flows=(FlowState(Kind.EVENT),), paused={PauseReason.SENDERS: 1})
    assert slowest(senders).startswith("calls to Quick Audience: batches wait for a sender (events")


def test_a_backlog_without_a_wait_is_for_the_conversion():
    lagging = {"books": busy().books, "lag": busy().lag}
    assert slowest(working(**lagging)).startswith("the conversion of records: more --workers")


@pytest.mark.parametrize("status", [busy(), working(), None])
def test_one_screen_shows_any_job(status, capsys):
    before = document(status)
    output().print(top_view(after(before, read=100), TopRates.between(before, after(before, read=100))))
    said = capsys.readouterr().out
    assert said.startswith("shop: ")
    assert len(said.splitlines()) <= 40
    if status is not None and status.lag:
        assert "log:0" in said
        assert "events: Quick Audience is away (ServiceUnavailable)" in said


def test_many_partitions_stay_on_one_screen(capsys):
    before = document(busy())
    before["partitions"] = [{**before["partitions"][0], "partition": number, "lag": number} for number in range(60)]
    output().print(top_view(before, TopRates.between(before, after(before))))
    said = capsys.readouterr().out
    assert "48 more" in said
    assert "log:59" in said
