"""The whole story of one record: every place where it was seen, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator

from tests.soak.evidence import AcceptedBatch, Evidence, LoggedLine
from tests.soak.judge.facts import Facts

NEAR_MS = 15_000
"""Faults and happenings so near to one of the record's own moments are part of its story."""

FIRST_LINES, LAST_LINES = 12, 50
"""What is shown of a long story."""


def story(facts: Facts, number: int) -> list[str]:
    """Return the story of a line by its number: the log, the ledger, the dead letters, the commits, and what went on at those times."""
    logged = next((each for each in facts.evidence.log if each.line.number == number), None)
    if logged is None:
        return [f"line {number} is not in the topic"]
    line, began_ms = logged.line, facts.evidence.began_ms
    moments = sorted(_moments(facts, logged))
    times = [at_ms for at_ms, _ in moments]
    around = [
        (at_ms, f"    ({sentence})")
        for at_ms, sentence in facts.evidence.happenings
        if any(-NEAR_MS <= at_ms - each <= NEAR_MS for each in times)
    ]
    told = [f"line {number}, {line.kind}: event {line.event}, customer {line.customer}, identities {line.identities}"]
    rows = sorted([*moments, *around])
    lines = [f"  {(at_ms - began_ms) / 1000:8.1f} s  {sentence}" for at_ms, sentence in rows]
    if (left_out := len(lines) - FIRST_LINES - LAST_LINES) > 0:
        lines[FIRST_LINES:-LAST_LINES] = [f"              ... {left_out} lines are left out"]
    return [*told, *lines]


def _moments(facts: Facts, logged: LoggedLine) -> Iterator[tuple[int, str]]:
    line, evidence = logged.line, facts.evidence
    same = [logged]
    if line.event is not None:
        same += [each for each in facts.sources[line.event] if each is not logged]
    if line.customer is not None:
        same += [each for each in facts.versions[line.customer] if each is not logged]
    for each in same:
        identities = f", identities {each.line.identities}" if each.line.identities else ""
        yield (
            each.at_ms,
            f"written as line {each.line.number} ({each.line.kind}) to partition {each.partition}, offset {each.offset}{identities}",
        )
    for batch in facts.events.get(line.event or "", ()):
        yield batch.accepted_ms, f"event {line.event} accepted {_call(batch)}"
    for digest, batch in facts.users.get(line.customer or "", ()):
        yield batch.accepted_ms, f"identities {digest} of {line.customer} accepted {_call(batch)}"
    for letter in facts.dead_letters.get(logged.place, ()):
        yield letter.at_ms, f"dead-lettered: {letter.reason}"
    if (passed_ms := _passed_ms(evidence, logged)) is not None:
        yield passed_ms, f"below the commit of partition {logged.partition}"


def _call(batch: AcceptedBatch) -> str:
    took = (
        "its answer was cut"
        if batch.passed_ms is None
        else f"answer passed on after {batch.passed_ms - batch.received_ms} ms"
    )
    return f"in a batch of {len(batch.keys)}, RequestId {batch.request_id} ({took})"


def _passed_ms(evidence: Evidence, logged: LoggedLine) -> int | None:
    """Return when the commit had passed a record for the first time that was seen."""
    return next(
        (each.at_ms for each in evidence.snapshots if each.offsets.get(logged.partition, 0) > logged.offset), None
    )
