"""The contract of a `Reporter`: one suite against every class that reports a batch."""

from __future__ import annotations

import json

import pytest

from pipeline.contracts.values import Delivered, Exhausted, Halt, Retry
from pipeline.emulator.quick_audience.server import StandIn
from pipeline.emulator.quick_audience.settings import StandInSettings
from pipeline.report.client import ReporterClient
from pipeline.report.credentials import CredentialsSource
from pipeline.report.settings import ReportSettings
from pipeline.runtime.replay_job import NoReporter
from transforms.base import Kind

TOKEN = "sts+token/=="
SENDING = [(signature, token) for signature in ("v2", "acs3") for token in (None, TOKEN)]


def event(number, **attributes):
    return json.dumps(
        {
            "organizationId": "org-0001",
            "customerId": f"顾客{number}",
            "eventCode": "pay_order",
            "eventTime": 1_651_114_368_518,
            "extendAttributes": {"outBizId": f"biz {number}+*~/&=%", **attributes},
            "v": 1,
        },
        ensure_ascii=False,
    ).encode()


def user(number):
    identities = [{"customerId": "13888888888", "idMapping": "mobile"}]
    return json.dumps({"customerId": f"c{number}", "customerIdList": identities, "v": 1}).encode()


def client(stand_in, signature, token, **changed):
    written = {
        "endpoint": stand_in.url,
        "organization_id": "org-0001",
        "access_id": "retailadvqa-cn-test",
        "signature": signature,
        **changed,
    }
    environment = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret", "SCA_STS_TOKEN": token or ""}
    return ReporterClient(ReportSettings.model_validate(written), CredentialsSource(None, environment))


@pytest.fixture(params=[*SENDING, "dry run"], ids=str)
def destination(request):
    """A reporter, and the ledger of the messages that it took, if it takes any."""
    if request.param == "dry run":
        yield NoReporter(), None
        return
    signature, token = request.param
    with StandIn(StandInSettings(security_token=token)) as stand_in:
        reporter = client(stand_in, signature, token)
        yield reporter, stand_in.ledger
        reporter.close()


@pytest.fixture(params=SENDING, ids=str)
def sending(request):
    """A client, and its stand-in."""
    signature, token = request.param
    with StandIn(StandInSettings(security_token=token)) as stand_in:
        reporter = client(stand_in, signature, token)
        yield reporter, stand_in
        reporter.close()


@pytest.mark.parametrize("count", [1, 100])
def test_a_batch_of_either_kind_is_delivered(destination, count):
    reporter, ledger = destination
    assert isinstance(reporter.report(Kind.EVENT, [event(number) for number in range(count)]), Delivered)
    assert isinstance(reporter.report(Kind.USER, [user(number) for number in range(count)]), Delivered)
    if ledger is not None:
        assert (ledger.events.total(), ledger.users.total()) == (count, count)


def test_the_same_batch_is_delivered_as_often_as_it_is_reported(destination):
    reporter, ledger = destination
    for _ in range(3):
        assert isinstance(reporter.report(Kind.EVENT, [event(1)]), Delivered)
    if ledger is not None:
        assert set(ledger.events.values()) == {3}


def test_closing_ends_it(destination):
    reporter, _ = destination
    reporter.report(Kind.EVENT, [event(1)])
    reporter.close()
    reporter.close()


@pytest.mark.parametrize(
    ("code", "exhausted"),
    [
        ("RequestBodyTooLarge", Exhausted.HALVE_OR_HALT),
        ("InvalidParameter", Exhausted.ISOLATE_OR_HALT),
        ("ES0110000400", Exhausted.ISOLATE_OR_HALT),
    ],
)
def test_content_that_is_refused_says_what_support_needs(sending, code, exhausted):
    """A code does not prove that the content is wrong."""
    reporter, stand_in = sending
    stand_in.set_faults({"name": "poison", "do": "refuse", "refuse": {"containing": "poison", "error_code": code}})
    outcome = reporter.report(Kind.EVENT, [event(1), event(2, title="poison")])
    assert isinstance(outcome, Retry)
    assert outcome.code == code
    assert outcome.request_id
    assert outcome.trace_id
    assert (outcome.exhausted, outcome.outage) == (exhausted, False)
    assert stand_in.ledger.events.total() == 0
    assert isinstance(reporter.report(Kind.EVENT, [event(1)]), Delivered)


@pytest.mark.parametrize(
    ("fault", "in_doubt"),
    [
        ("throttle", False),
        ("unavailable", False),
        ("internal_error", False),
        ("garbage", True),
        ("cut_before", True),
        ("cut_after", True),
    ],
)
def test_what_passes_is_tried_again_and_then_delivered(sending, fault, in_doubt):
    reporter, stand_in = sending
    stand_in.set_faults({"name": "passing", "do": fault, "calls": [0, 1]})
    outcome = reporter.report(Kind.EVENT, [event(1)])
    assert isinstance(outcome, Retry)
    assert outcome.in_doubt == in_doubt
    assert isinstance(reporter.report(Kind.EVENT, [event(1)]), Delivered)


@pytest.mark.parametrize(("signature", "token"), SENDING)
def test_a_wrong_organisation_halts(signature, token):
    with StandIn(StandInSettings(security_token=token)) as stand_in:
        reporter = client(stand_in, signature, token, organization_id="org-9999")
        outcome = reporter.report(Kind.USER, [user(1)])
        reporter.close()
    assert isinstance(outcome, Halt)
    assert outcome.code == "ES0110000002"


@pytest.mark.parametrize(("signature", "token"), SENDING)
def test_nobody_there_is_waited_for(signature, token):
    with StandIn() as stand_in:
        reporter = client(stand_in, signature, token)
    outcome = reporter.report(Kind.EVENT, [event(1)])
    reporter.close()
    assert isinstance(outcome, Retry)
    assert not outcome.in_doubt
