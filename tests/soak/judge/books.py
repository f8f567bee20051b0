"""The books add up: in each printed line, in each commit, and over the whole soak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests.soak.evidence import PrintedBooks
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement
from tests.soak.kinds import FaultKind
from tests.soak.workload import LineKind

OUTCOMES = ("reported", "duplicate", "filtered", "dead_lettered")
GROWING = ("read", *OUTCOMES, "returned")


def judge_books(facts: Facts, judgement: Judgement) -> None:
    """Look at the printed books of each command, at the books in each commit, and at the last ones against the log."""
    _judge_printed(facts, judgement)
    _judge_commits(facts, judgement)
    _judge_last(facts, judgement)
    _judge_runs(facts, judgement)


def _judge_printed(facts: Facts, judgement: Judgement) -> None:
    unbalanced: list[PrintedBooks] = []
    fallen: list[str] = []
    latest: dict[str, PrintedBooks] = {}
    for printed in facts.evidence.printed:
        books = printed.books
        if sum(books[name] for name in OUTCOMES) + books["in_flight"] + books["returned"] != books["read"]:
            unbalanced.append(printed)
        if (before := latest.get(printed.command)) is not None:
            fallen += [
                f"{name} of {printed.command} from {before.books[name]:,} to {books[name]:,}"
                for name in GROWING
                if books[name] < before.books[name]
            ]
        latest[printed.command] = printed
    judgement.figures["printed books"] = len(facts.evidence.printed)
    judgement.miss(
        Bar.BOOKS,
        len(unbalanced),
        f"{len(unbalanced):,} printed books do not add up: {[dict(each.books) for each in unbalanced[:2]]}",
    )
    judgement.miss(Bar.BOOKS, len(fallen), f"{len(fallen):,} times a printed count fell: {'; '.join(fallen[:4])}")


def _judge_commits(facts: Facts, judgement: Judgement) -> None:
    """Every offset below a commit has one outcome: the topic has no gaps."""
    wrong = [
        f"partition {partition} at offset {offset:,}: {_finished(books):,}"
        for snapshot in facts.evidence.snapshots
        for partition, offset in snapshot.offsets.items()
        if _finished(books := snapshot.books.get(partition, {})) != offset
    ]
    judgement.miss(
        Bar.BOOKS,
        len(wrong),
        f"{len(wrong):,} times the books in a commit do not count its records: {'; '.join(wrong[:3])}",
    )


def _finished(books: Mapping[str, int]) -> int:
    return sum(books.get(name, 0) for name in OUTCOMES)


def _judge_last(facts: Facts, judgement: Judgement) -> None:
    """Compare the last commits with the log, if everything is committed."""
    if not facts.evidence.snapshots or not all(map(facts.is_committed, facts.evidence.log)):
        return
    total: Counter[str] = Counter()
    for books in facts.evidence.snapshots[-1].books.values():
        total.update(books)
    kinds = Counter(each.line.kind for each in facts.evidence.log)
    expected = {
        "filtered": kinds[LineKind.FILTERED],
        "dead_lettered": kinds[LineKind.BROKEN] + kinds[LineKind.POISON],
        "events_refused": kinds[LineKind.POISON],
        "users_refused": 0,
    }
    if not facts.evidence.store_losses_ms:  # after one, a repeat is reported once more
        expected["events_reported"] = len(facts.sources) - kinds[LineKind.POISON]
        total["events_reported"] += total["events_redelivered"]
    wrong = [f"{name} {total[name]:,}, expected {count:,}" for name, count in expected.items() if total[name] != count]
    judgement.miss(Bar.BOOKS, len(wrong), f"the books of the last commits differ from the log: {'; '.join(wrong)}")


def _judge_runs(facts: Facts, judgement: Judgement) -> None:
    """Without a kill, the closing summaries of all runs together count every record at least once."""
    evidence = facts.evidence
    killed = {FaultKind.WORKER_KILLED, FaultKind.SUPERVISOR_KILLED}
    if any(each.kind in killed for each in evidence.faults) or any(each.code < 0 for each in evidence.exits):
        return
    closings = [each.books for each in evidence.printed if each.is_closing and not each.command.startswith("replay")]
    counted = sum(_finished(books) for books in closings)
    missing = sum(facts.committed.values()) - counted
    if closings and missing > 0:
        judgement.miss(
            Bar.BOOKS,
            missing,
            f"the closing summaries of all runs count {counted:,} records, {missing:,} less than are committed",
        )
