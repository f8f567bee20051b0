"""The limits of the job: how much may be unfinished, and how often offsets are committed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """Times are in ms, sizes in bytes."""

    unfinished_records: int = 20_000  # per partition
    in_flight_bytes: int = 32 << 20
    ready_batches: int = 32
    commit_records: int = 20_000
    commit_every_ms: int = 1_000
    lease_ms: int = 15_000
    grace_ms: int = 30_000
