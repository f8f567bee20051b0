"""Faults of the API and of the network to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.soak.kinds import FaultKind
from tests.soak.proxy import FREE, Traffic
from tests.soak.schedule import PlannedFault
from tests.soak.world import World

RESET_EVERY_S = 0.5
SLOW_TRAFFIC = (Traffic(requests_per_s=20_000, answers_per_s=20_000), Traffic(answers_per_s=40))
"""The first slows calls to some seconds. With the second the headers of an answer alone take longer than `report.read_timeout`."""

UNKNOWN_CODE = "ES0110999999"
_OPERATIONS = ("RecieveEventMessage", "RecieveUserMessage")

Script = Sequence[dict[str, Any]]

SCRIPTS: Mapping[FaultKind, Sequence[Script]] = {
    # Within the time that a client waits, and beyond it.
    FaultKind.API_LATENCY: [[{"do": "delay", "latency": "1500ms"}], [{"do": "delay", "latency": "5s", "share": 0.2}]],
    FaultKind.API_THROTTLING: [[{"do": "throttle", "share": 0.7, "retry_after": "500ms"}], [{"do": "throttle"}]],
    FaultKind.API_UNAVAILABLE: [[{"do": "unavailable"}], [{"do": "unavailable", "share": 0.5, "retry_after": "1s"}]],
    FaultKind.API_INTERNAL_ERROR: [[{"do": "internal_error"}], [{"do": "internal_error", "share": 0.4}]],
    FaultKind.API_GARBAGE: [[{"do": "garbage"}], [{"do": "garbage", "share": 0.5}]],
    FaultKind.API_HANGS: [[{"do": "hang_before"}], [{"do": "hang_after", "share": 0.5}]],
    FaultKind.API_CUT_BEFORE: [[{"do": "cut_before"}], [{"do": "cut_before", "share": 0.4}]],
    FaultKind.API_CUT_AFTER: [[{"do": "cut_after"}], [{"do": "cut_after", "share": 0.3}]],
    FaultKind.API_KNOWN_CODE: [
        [{"do": "business_error", "error_code": code}]
        for code in ("InternalError", "ServiceUnavailable", "Throttling.Api")
    ],
    FaultKind.API_UNKNOWN_CODE: [[{"do": "business_error", "error_code": UNKNOWN_CODE}]],
    FaultKind.API_ONE_OPERATION: [
        [{"operation": operation, **fault}]
        for operation in _OPERATIONS
        for fault in ({"do": "business_error", "error_code": UNKNOWN_CODE}, {"do": "unavailable"})
    ],
    FaultKind.API_LONG_OUTAGE: [[{"do": "unavailable"}], [{"do": "hang_before"}]],
}
"""The faults of the stand-in for each kind: several variants, of which one is chosen."""


def scripted(world: World, fault: PlannedFault) -> Iterator[float]:
    """Let the stand-in play one of the scripts of this kind."""
    variants = SCRIPTS[fault.kind]
    chosen = variants[fault.choice % len(variants)]
    world.record.tell(f"{fault.kind}: {chosen}")
    world.stand_in.set_faults(
        fault.kind, *({"name": f"{fault.kind}-{place}", **each} for place, each in enumerate(chosen))
    )
    try:
        yield fault.lasts_s
    finally:
        world.stand_in.set_faults(fault.kind)


def api_reset(world: World, fault: PlannedFault) -> Iterator[float]:
    """Reset all connections to the API, again and again."""
    for _ in range(max(1, int(fault.lasts_s / RESET_EVERY_S))):
        world.stand_in.proxy.reset()
        yield RESET_EVERY_S


def api_black_hole(world: World, fault: PlannedFault) -> Iterator[float]:
    """Swallow everything between the job and the API."""
    yield from _with_traffic(world, fault, Traffic(swallows=True))


def api_slow(world: World, fault: PlannedFault) -> Iterator[float]:
    """Let few bytes through between the job and the API."""
    yield from _with_traffic(world, fault, SLOW_TRAFFIC[fault.choice % len(SLOW_TRAFFIC)])


def _with_traffic(world: World, fault: PlannedFault, traffic: Traffic) -> Iterator[float]:
    world.stand_in.proxy.set_traffic(traffic)
    try:
        yield fault.lasts_s
    finally:
        world.stand_in.proxy.set_traffic(FREE)
