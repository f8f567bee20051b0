"""The evidence of a soak in which everything went well, for tests that spoil one thing in it."""

from __future__ import annotations

from collections import Counter

from tests.soak.evidence import (
    AcceptedBatch,
    CommandExit,
    CommandStart,
    CommitSnapshot,
    DeadLetter,
    Evidence,
    LoggedLine,
    MemorySample,
    PrintedBooks,
)
from tests.soak.workload import EVENT_CODE, LineKind, Workload

BEGAN_MS = 1_700_000_000_000
PARTITIONS = 4
PID = 7
EVERY_MS = 20
"""One line is written in so many ms, and is finished a second later."""

LAG_MS = 1_000


def good_evidence(count=2_000, seed=3):
    log, ends = [], Counter()
    for line in Workload(seed).take(count):
        partition = line.partition(PARTITIONS)
        log.append(LoggedLine(line, partition, ends[partition], BEGAN_MS + line.number * EVERY_MS))
        ends[partition] += 1
    ended_ms = log[-1].at_ms + 10_000
    steps = range(BEGAN_MS + LAG_MS, ended_ms, 1_000)
    return Evidence(
        seed=seed,
        began_ms=BEGAN_MS,
        ended_ms=ended_ms,
        senders=2,
        slow_ms=2_500,
        grace_s=10,
        log=log,
        accepted=list(_accepted(log)),
        dead_letters=[
            DeadLetter(*each.place, each.at_ms + LAG_MS, "JSON_INVALID") for each in log if each.line.kind.is_refused
        ],
        snapshots=[_snapshot(log, at_ms) for at_ms in steps],
        starts=[CommandStart(BEGAN_MS, "host-a-1")],
        exits=[CommandExit(ended_ms, "host-a-1", 0, was_asked=True, waited_s=1.0)],
        printed=[
            PrintedBooks(
                ended_ms, "host-a-1", {**_sums(log), "read": count, "in_flight": 0, "returned": 0}, is_closing=True
            ),
        ],
        memory=[MemorySample(BEGAN_MS + second * 1_000, PID, "host-a-1", 60 << 20) for second in range(300)],
    )


def _accepted(log):
    told = {}
    for each in log:
        line, at_ms = each.line, each.at_ms + LAG_MS
        if line.customer is not None and told.get(line.customer) != line.identities:
            told[line.customer] = line.identities
            yield batch("user", [(line.customer,)], at_ms, f"U{line.number}", [line.identities])
        if line.kind in {LineKind.EVENT, LineKind.BOTH}:
            yield batch("event", [(EVENT_CODE, line.event)], at_ms, f"E{line.number}")


def batch(kind, keys, at_ms, request_id, identities=(), **changed):
    times = {"received_ms": at_ms - 5, "accepted_ms": at_ms, "passed_ms": at_ms + 5, "client": PID, **changed}
    return AcceptedBatch(kind, keys, request_id, identities=identities, **times)


def _snapshot(log, at_ms):
    """Everything is committed that is finished by then."""
    finished = [each for each in log if each.at_ms + LAG_MS <= at_ms]
    written = [each for each in log if each.at_ms <= at_ms]
    return CommitSnapshot(
        at_ms,
        dict(Counter(each.partition for each in finished)),
        dict(Counter(each.partition for each in written)),
        {
            partition: _sums([each for each in finished if each.partition == partition])
            for partition in {each.partition for each in finished}
        },
    )


def _sums(log):
    kinds = Counter(each.line.kind for each in log)
    events = kinds[LineKind.EVENT] + kinds[LineKind.BOTH]
    return {
        "reported": events + kinds[LineKind.USER],
        "duplicate": kinds[LineKind.REPEAT],
        "filtered": kinds[LineKind.FILTERED],
        "dead_lettered": kinds[LineKind.BROKEN] + kinds[LineKind.POISON],
        "events_reported": events,
        "events_redelivered": 0,
        "events_refused": kinds[LineKind.POISON],
        "users_refused": 0,
    }
