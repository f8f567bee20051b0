"""Nothing is lost, and nothing arrives that nobody sent."""

from __future__ import annotations

from tests.soak.evidence import LoggedLine
from tests.soak.judge.facts import NEVER, Facts
from tests.soak.judge.verdict import Bar, Judgement
from tests.soak.workload import LineKind


def judge_delivery(facts: Facts, judgement: Judgement) -> None:
    """Find records that are neither reported nor dead-lettered, commits that passed an unfinished record, and messages that nobody expected."""
    evidence = facts.evidence
    judgement.figures["records in the log"] = len(evidence.log)
    judgement.miss(Bar.WRITTEN, evidence.unwritten, f"the broker did not take {evidence.unwritten:,} lines")
    if evidence.planned:
        judgement.figures["faults planned"] = evidence.planned
        judgement.figures["faults made"] = evidence.planned - len(evidence.unmade)
    judgement.figures["events accepted"] = sum(len(batches) for batches in facts.events.values())
    judgement.figures["distinct events accepted"] = len(facts.events)
    judgement.figures["user messages accepted"] = sum(len(told) for told in facts.users.values())
    unfinished = [each for each in evidence.log if facts.finished_ms[each.line.number] == NEVER]
    lost = [each for each in unfinished if facts.is_committed(each) or each.place in facts.dead_letters]
    stranded = [each for each in unfinished if not facts.is_committed(each) and each.place not in facts.dead_letters]
    judgement.miss(
        Bar.LOST,
        len(lost),
        f"{len(lost):,} records are committed and neither reported nor dead-lettered as they must be ({_kinds(lost)})",
        _numbers(lost),
    )
    judgement.miss(
        Bar.LOST,
        len(stranded),
        f"{len(stranded):,} records are stranded: not finished at the end ({_kinds(stranded)})",
        _numbers(stranded),
    )
    _judge_commits(facts, judgement)
    _judge_unknown(facts, judgement)


def _judge_commits(facts: Facts, judgement: Judgement) -> None:
    """Look at each snapshot: every record below a commit was finished before. A commit never goes back."""
    rows: dict[int, list[LoggedLine]] = {}
    for logged in sorted(facts.evidence.log, key=lambda each: each.place):
        rows.setdefault(logged.partition, []).append(logged)
    looked: dict[int, int] = {}
    offsets: dict[int, int] = {}
    early: list[LoggedLine] = []
    back = 0
    for snapshot in facts.evidence.snapshots:
        for partition, offset in snapshot.offsets.items():
            back += offset < offsets.get(partition, 0)
            offsets[partition] = offset
            records, place = rows.get(partition, []), looked.get(partition, 0)
            while place < len(records) and records[place].offset < offset:
                if snapshot.at_ms < facts.finished_ms[records[place].line.number] < NEVER:
                    early.append(records[place])
                place += 1
            looked[partition] = place
    judgement.figures["snapshots of the commits"] = len(facts.evidence.snapshots)
    judgement.miss(
        Bar.LOST,
        len(early),
        f"{len(early):,} records were below a commit before they were finished ({_kinds(early)})",
        _numbers(early),
    )
    judgement.miss(Bar.LOST, back, f"a commit went back {back:,} times")


def _judge_unknown(facts: Facts, judgement: Judgement) -> None:
    poison = {each.line.event for each in facts.evidence.log if each.line.kind is LineKind.POISON}
    strange = [biz for biz in facts.events if biz not in facts.sources or biz in poison]
    told = {
        (customer, digest)
        for customer, messages in facts.users.items()
        for digest, _ in messages
        if digest not in {each.line.identities for each in facts.versions.get(customer, ())}
    }
    count = len(strange) + len(facts.strange_events) + len(told)
    examples = ", ".join(
        [*strange[:3], *("/".join(key) for key in facts.strange_events[:3]), *(c for c, _ in sorted(told, key=str)[:3])]
    )
    judgement.miss(Bar.UNKNOWN, count, f"{count:,} messages were accepted that no record makes: {examples}")


def _numbers(records: list[LoggedLine]) -> list[int]:
    return [each.line.number for each in records]


def _kinds(records: list[LoggedLine]) -> str:
    kinds = [each.line.kind.value for each in records]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
