"""The metrics of a job: their names, what Prometheus reads, and what an orchestrator's probes are told."""

from __future__ import annotations

import re

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import Delivered, Partition, Retry, SourceState, StoreUsage
from pipeline.job.attempts import Attempts
from pipeline.job.books import Books
from pipeline.job.counts import Counts, MessageOutcome, StoreVerb
from pipeline.job.flow.state import FlowState, Slowed
from pipeline.job.hold import Hold
from pipeline.job.status import Status
from pipeline.observe.exposition import exposition
from pipeline.observe.health import STILL_LIMIT_MS, hung, not_ready
from pipeline.observe.job_view import JobView, WorkerView
from pipeline.observe.metrics import METRICS, PREFIX, MetricKind
from pipeline.observe.samples import Buckets, samples
from pipeline.observe.summary import merge
from schemas.refusal import ReasonCode, Stage
from transforms.base import Kind

ONE, TWO = Partition("log", 0), Partition("log", 1)
NOW_MS, UNIX_MS = 1_000_000, 1_800_000_000_000
WELL = SourceState(is_member=True, is_away=False)


def working(**more):
    return Status(**{"at_ms": NOW_MS - 200, "books": {}, "source": WELL, **more})


def view(*statuses, **more):
    workers = [WorkerView(number, 100 + number, status) for number, status in enumerate(statuses)]
    return JobView(
        "shop",
        "0123456789ab",
        merge([status for status in statuses if status is not None]),
        **{
            "workers": tuple(workers),
            "begun_ms": UNIX_MS - 60_000,
            "now_ms": NOW_MS,
            "unix_ms": UNIX_MS,
            "away_limit_ms": 300_000,
            **more,
        },
    )


def busy():
    """A status in which everything has a value."""
    attempts, counts = Attempts(), Counts()
    for kind in Kind:
        attempts.sent(kind, 100)
        attempts.answered(kind, Delivered(took_ms=40))
    attempts.sent(Kind.EVENT, 1)
    attempts.answered(Kind.EVENT, Retry("Throttling.User", "", outage=False, throttled=True, took_ms=3))
    counts.reported(["pay", ""], [UNIX_MS - 900, UNIX_MS - 20], UNIX_MS)
    counts.ended(Kind.EVENT, "pay", MessageOutcome.REFUSED)
    counts.dead_lettered(Stage.DECODE, ReasonCode.NOT_JSON)
    counts.committed(is_taken=True)
    counts.store_ms[StoreVerb.CLAIM].observe(0.7)
    flows = (
        FlowState(
            Kind.EVENT,
            3,
            4,
            16,
            Slowed.AWAY,
            "ServiceUnavailable",
            rate=2.5,
            held_ms={Slowed.AWAY: 1_500},
            away_since_ms=NOW_MS - 7_000,
        ),
        FlowState(Kind.USER, 0, 16, 16),
    )
    return working(
        books={
            ONE: Books(read=10, reported=4, duplicate=3, redelivered=1, dead_lettered=1, in_flight=2),
            TWO: Books(read=3, filtered=2, returned=1, lost_to_retention=7),
        },
        lag={ONE: 5, TWO: 0},
        oldest_ms={ONE: UNIX_MS - 90_000, TWO: UNIX_MS - 5_000_000},
        attempts=attempts,
        counts=counts.with_waits(flows),
        flows=flows,
        warnings={("PROPERTY_UNKNOWN", "pay"): 2, ("PROPERTY_UNKNOWN", "seen"): 3},
        paused={PauseReason.IN_FLIGHT: 2},
        holds=(Hold(Kind.EVENT, 2, "ES0999", 0, None, is_outage=False),),
        usage=StoreUsage(1_000, 4_096, 1 << 30),
        dead_share=0.25,
        head_age_ms=31_000,
        unfinished_bytes=2_048,
    )  # fmt: skip


def parsed(shown, parse=text_string_to_metric_families, accepted=""):
    text, _ = exposition(lambda: [shown], accepted)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(text.decode())
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[(PREFIX + name, *sorted({"source": "shop", **labels}.items()))]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_are_as_prometheus_recommends(metric):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", metric.name)
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert not re.search(r"(^|_)(ms|milliseconds|minutes|kb|mib|percent)(_|$)", metric.name)
    assert metric.help.endswith(".")
    assert {"source", "le", "quantile", "job", "instance"}.isdisjoint(metric.labels)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in metric.labels)
    if metric.kind is MetricKind.HISTOGRAM and metric.name != "api_batch_messages":
        assert metric.name.endswith("_seconds")


def test_names_are_unique():
    assert len({metric.shown_name for metric in METRICS}) == len(METRICS)


def test_every_metric_has_a_value_and_no_other_has():
    found = {sample.metric for sample in samples(view(busy()))}
    assert found == set(METRICS)


def test_no_two_values_have_the_same_labels():
    found = [(sample.metric.name, sample.labels) for sample in samples(view(busy(), busy()))]
    assert len(found) == len(set(found))
    assert all(len(sample.labels) == len(sample.metric.labels) for sample in samples(view(busy())))


@pytest.mark.parametrize(
    ("parse", "accepted"),
    [
        (text_string_to_metric_families, "text/plain;version=0.0.4"),
        (openmetrics.text_string_to_metric_families, "application/openmetrics-text; version=1.0.0"),
    ],
    ids=["text", "openmetrics"],
)
def test_prometheus_reads_what_the_job_counted(parse, accepted):
    found = parsed(view(busy()), parse, accepted)
    assert value(found, "records_read_total") == 13
    finished = {
        outcome: value(found, "records_finished_total", outcome=outcome)
        for outcome in ("reported", "duplicate", "redelivered", "filtered", "dead_lettered")
    }
    assert finished == {"reported": 4, "duplicate": 2, "redelivered": 1, "filtered": 2, "dead_lettered": 1}
    flying, returned = value(found, "in_flight_records"), value(found, "records_returned_total")
    assert sum(finished.values()) + flying + returned == 13
    assert value(found, "records_lost_total") == 7
    assert value(found, "messages_total", kind="event", event_code="pay", outcome="reported") == 1
    assert value(found, "messages_total", kind="user", event_code="", outcome="reported") == 1
    assert value(found, "dead_letters_total", stage="decode", reason="NOT_JSON") == 1
    throttled = {"operation": "events", "class": "throttled", "code": "Throttling.User"}
    assert value(found, "api_calls_total", **throttled) == 1
    assert value(found, "api_call_duration_seconds_count", operation="events") == 2
    assert value(found, "api_call_duration_seconds_sum", operation="events") == pytest.approx(0.043)
    assert value(found, "api_call_duration_seconds_bucket", operation="events", le="0.005") == 1
    assert value(found, "delivery_latency_seconds_bucket", operation="events", le="+Inf") == 1
    assert value(found, "delivery_latency_seconds_bucket", operation="events", le="0.75") == 0
    assert value(found, "lag_seconds", topic="log", partition="0") == 90
    assert value(found, "lag_seconds", topic="log", partition="1") == 0
    assert (value(found, "destination_up", operation="events"), value(found, "destination_up", operation="users")) == (
        0,
        1,
    )
    assert value(found, "destination_away_seconds", operation="events") == 7
    assert value(found, "api_waited_seconds_total", operation="events", reason="away") == 1.5
    assert value(found, "catalogue_warnings_total", reason="PROPERTY_UNKNOWN") == 5
    assert value(found, "partitions_paused", reason="in_flight") == 2
    assert value(found, "dedup_limit_bytes") == 1 << 30
    assert value(found, "config_info", hash="0123456789ab") == 1
    assert value(found, "worker_last_turn_seconds", worker="0") == pytest.approx(0.2)
    assert value(found, "ready") == 1


def test_a_histogram_has_cumulative_buckets():
    for sample in samples(view(busy())):
        if isinstance(sample.value, Buckets):
            assert list(sample.value.counts) == sorted(sample.value.counts)
            assert sample.value.bounds[-1] == float("inf")
            assert list(sample.value.bounds) == sorted(set(sample.value.bounds))


def test_a_worker_that_restarts_loses_no_counter():
    before = parsed(view(busy()))
    after = parsed(view(merge([busy().former(), working()])))
    counters = {metric.shown_name for metric in METRICS if metric.kind is MetricKind.COUNTER}
    counters |= {f"{metric.shown_name}_count" for metric in METRICS if metric.kind is MetricKind.HISTOGRAM}
    for key, counted in before.items():
        if key[0] in counters:
            assert after[key] >= counted, key
    assert value(after, "in_flight_records") == 0


def test_nothing_hostile_in_a_label_breaks_the_text():
    attempts = Attempts()
    attempts.sent(Kind.EVENT, 1)
    attempts.answered(Kind.EVENT, Retry('x"} 1\nlog2mq_ready{source="other"} 5\n\\', "", took_ms=1))
    found = parsed(view(working(attempts=attempts)))
    assert not [key for key in found if ("source", "other") in key]


def reasons(*statuses, **more):
    return [reason.code for reason in not_ready(view(*statuses, **more))]


def test_a_job_that_works_is_ready():
    assert reasons(working()) == []
    assert hung(view(working())) == []


def test_a_member_without_a_partition_is_ready():
    assert reasons(working(), working(lag={ONE: 0})) == []


@pytest.mark.parametrize(
    ("statuses", "more", "expected"),
    [
        ([], {}, "starting"),
        ([None], {}, "starting"),
        ([working(), None], {}, "starting"),
        ([working(source=SourceState(is_member=False, is_away=False))], {}, "no_group"),
        ([working(source=SourceState(is_member=True, is_away=True))], {}, "no_broker"),
        ([working(dead_letters_away=True)], {}, "dead_letter_topic"),
        ([working(store_away=True, held="the dedup store at x does not answer")], {}, "store"),
        ([working(flows=(FlowState(Kind.USER, code="HTTP503", away_since_ms=NOW_MS - 300_001),))], {}, "destination"),
        ([working(halt="Quick Audience answered Forbidden: not allowed")], {}, "halted"),
        ([working(stopping=True)], {"is_stopping": True}, "draining"),
        ([working(at_ms=NOW_MS - STILL_LIMIT_MS - 1)], {}, "hung"),
    ],
)
def test_a_job_that_does_not_work_says_why(statuses, more, expected):
    assert reasons(*statuses, **more) == [expected]


def test_a_short_outage_of_the_destination_is_no_reason():
    assert reasons(working(flows=(FlowState(Kind.USER, code="HTTP503", away_since_ms=NOW_MS - 299_000),))) == []


def test_only_a_loop_that_stands_still_is_hung():
    still = NOW_MS - STILL_LIMIT_MS - 1
    assert [reason.text for reason in hung(view(working(), working(at_ms=still)))] == [
        "worker 1 (process 101) has stood still for 1 min 0 s"
    ]
    assert hung(view(working(at_ms=still, stopping=True))) == []
    assert hung(view(None)) == []
