"""From the settings of a source file to the limits of its job, and of each operation."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from pipeline.config.source_file import SourceFile
from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.rate_table import RateTable
from pipeline.job.flow.control import RateLimits
from pipeline.job.flow.shared_limit import SharedLimit
from pipeline.job.flow_limits import FlowLimits
from pipeline.report.settings import ReportSettings
from transforms.base import Kind


def build_flow_limits(file: SourceFile) -> FlowLimits:
    """Return the limits of what is in flight, and how often is committed."""
    return FlowLimits(
        unfinished_records=file.limits.unfinished,
        in_flight_bytes=file.limits.in_flight,
        commit_records=file.commit.records,
        commit_every_ms=file.commit.every,
        lease_ms=file.dedup.lease,
        grace_ms=file.stop.grace,
    )


def build_limits(report: ReportSettings, store: DedupStore, clock: Callable[[], int]) -> dict[Kind, RateLimits]:
    """Return the limits of each operation. All processes that use this store for the same Quick Audience instance share them.

    `clock` returns ms of a clock that never goes back.

    Raises:
        StoreUnavailable: the store cannot open the table of rates.
    """
    flow = report.flow
    if flow.calls is flow.events is flow.users is None:
        return {}
    table = store.rates()
    messages = {Kind.EVENT: ("events", flow.events), Kind.USER: ("users", flow.users)}
    return {
        kind: RateLimits(
            _limits(report, kind, "calls", flow.calls, table, clock),
            _limits(report, kind, name, per_second, table, clock),
        )
        for kind, (name, per_second) in messages.items()
    }


def _limits(
    report: ReportSettings, kind: Kind, name: str, per_second: float | None, table: RateTable, clock: Callable[[], int]
) -> list[SharedLimit]:
    if per_second is None:
        return []
    whose = f"{report.url}\n{report.organization_id}\n{report.access_id}\n{kind.value}\n{name}"
    bucket = blake2b(whose.encode(), digest_size=16).digest()
    return [SharedLimit(f"report.flow.{name}", per_second, table, bucket, clock)]
