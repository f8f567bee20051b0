"""From the settings of `report.flow` to limits that the processes of a store share."""

from __future__ import annotations

import pytest

from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.report.settings import ReportSettings
from pipeline.runtime.build_flow import build_limits
from transforms.base import Kind


def settings(access_id="retailadvqa-cn-1", **flow):
    return ReportSettings.model_validate(
        {"region": "cn-shanghai", "organization_id": "o", "access_id": access_id, "flow": flow}
    )


class Workers:
    """Workers that share a store, at one moment."""

    def __init__(self):
        self.table = MemoryTable()

    def limits(self, report):
        return build_limits(report, MemoryStore(self.table, "a", 10**6, 10**4, lambda: 1_000), lambda: 1_000)


@pytest.fixture
def workers():
    return Workers()


def test_without_a_limit_nothing_is_built(workers):
    assert workers.limits(settings(least_senders=2)) == {}


def test_each_operation_has_its_own_limit_of_calls_and_of_its_messages(workers):
    limits = workers.limits(settings(calls=1, events=10))
    limits[Kind.EVENT].sent(100)
    assert not limits[Kind.EVENT].allow(1_000)
    assert limits[Kind.EVENT].waiting(1_000) == "report.flow.calls and report.flow.events"
    assert limits[Kind.EVENT].waiting(3_000) == "report.flow.events"  # a hundred events last for ten seconds
    assert limits[Kind.EVENT].allow(11_000)
    limits[Kind.USER].sent(100)
    limits[Kind.USER].allow(1_000)
    assert limits[Kind.USER].waiting(1_000) == "report.flow.calls"


def test_workers_share_a_limit_and_another_instance_has_its_own(workers):
    one, other, elsewhere = (workers.limits(settings(access_id, calls=1)) for access_id in ("a", "a", "b"))
    for limits in (one, other, elsewhere):
        limits[Kind.EVENT].sent(1)
        limits[Kind.EVENT].allow(1_000)
    assert one[Kind.EVENT].allow(2_000)
    assert elsewhere[Kind.EVENT].allow(2_000)
    assert not other[Kind.EVENT].allow(2_000)
    assert other[Kind.EVENT].allow(3_000)
