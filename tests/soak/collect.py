"""Puts the evidence together when everything has stopped."""

from __future__ import annotations

from tests.soak.cluster import SOURCE_TOPIC
from tests.soak.evidence import Evidence, LoggedLine
from tests.soak.processes import now_ms
from tests.soak.settings import GRACE_S, READ_TIMEOUT_S, SENDERS
from tests.soak.workload import Workload, number_of
from tests.soak.world import World

SPARE_MS = 500
"""An answer that arrived so shortly before the client's limit may have come too late for it."""


def collect(world: World) -> Evidence:
    """Read the topics, the ledger and the last commits, and return the evidence."""
    record = world.record
    record.snapshots.append(world.cluster.snapshot())
    records = list(world.cluster.read(SOURCE_TOPIC))
    count = max((number_of(each.value) for each in records), default=-1) + 1
    lines = Workload(world.settings.seed).take(count)
    log = [LoggedLine(lines[number_of(each.value)], each.partition, each.offset, each.at_ms) for each in records]
    return Evidence(
        seed=world.settings.seed,
        began_ms=record.began_ms,
        ended_ms=now_ms(),
        senders=SENDERS,
        slow_ms=READ_TIMEOUT_S * 1000 - SPARE_MS,
        grace_s=GRACE_S,
        log=log,
        accepted=world.stand_in.ledger(),
        dead_letters=[*record.dead_letters, *world.cluster.dead_letters()],
        snapshots=record.snapshots,
        faults=record.faults,
        interruptions=record.interruptions,
        store_losses_ms=record.store_losses_ms,
        exits=record.exits,
        printed=sorted(record.printed, key=lambda each: each.at_ms),
        memory=record.memory,
        warnings=sorted(record.warnings, key=lambda each: each.at_ms),
        starts=record.starts,
        kills=record.kills,
        planned=record.planned,
        unmade=record.unmade,
        unwritten=world.writer.failed,
        happenings=record.happenings,
    )
