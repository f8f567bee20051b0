"""The books add up: in each printed line, in each commit, and over the whole soak."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tests.soak.evidence import PrintedBooks
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement
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
    """The closing summaries of all runs together count every record at least once.

    A worker that is killed makes no difference: its supervisor has its books before it commits, and goes on counting with them. A command whose own
    process was killed prints no summary. For it counts what it printed last, and what was committed from then until the last of its workers had ended,
    without what the other commands printed of that time.
    """
    evidence = facts.evidence
    mine = [each for each in evidence.printed if not each.command.startswith("replay")]
    closings = {each.command: each for each in mine if each.is_closing}
    counted = sum(_finished(each.books) for each in closings.values())
    unknown = 0
    for kill in evidence.kills:
        if kill.command in closings or kill.command.startswith("replay"):
            continue
        since_ms = next((each.at_ms for each in evidence.starts if each.command == kill.command), evidence.began_ms)
        if (last := next((each for each in reversed(mine) if each.command == kill.command), None)) is not None:
            counted += _finished(last.books)
            since_ms = last.at_ms
        moved = _moved(facts, since_ms, kill.at_ms)
        unknown += max(0, moved - _counted(mine, kill.command, since_ms, kill.at_ms))
    missing = sum(facts.committed.values()) - counted - unknown
    judgement.figures["records in the summaries of all runs"] = counted
    judgement.figures["records that killed commands may have finished without a word"] = unknown
    if missing > 0:
        judgement.miss(
            Bar.BOOKS,
            missing,
            f"the closing summaries of all runs count {counted:,} records, {missing:,} less than are committed",
        )


def _moved(facts: Facts, from_ms: int, to_ms: int) -> int:
    """Return by how many records the commits moved in a time."""
    sums = [(each.at_ms, sum(each.offsets.values())) for each in facts.evidence.snapshots]
    before = [count for at_ms, count in sums if at_ms <= from_ms]
    after = [count for at_ms, count in sums if at_ms >= to_ms]
    return (after[0] if after else sum(facts.committed.values())) - (before[-1] if before else 0)


def _counted(printed: Sequence[PrintedBooks], but: str, from_ms: int, to_ms: int) -> int:
    """Return how many records the commands but one have printed as finished in a time, by the lines inside of it."""
    lines: dict[str, list[int]] = defaultdict(list)
    for each in printed:
        if each.command != but and from_ms <= each.at_ms <= to_ms:
            lines[each.command].append(_finished(each.books))
    return sum(counts[-1] - counts[0] for counts in lines.values())
