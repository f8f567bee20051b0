"""The books: every record that was read has exactly one outcome.

At any moment

    read = reported + duplicate + filtered + dead-lettered + in flight + returned

*Returned* records were in flight when their partition moved to another process, or when this process ended: they are read again. So no count
ever falls, and over all runs each record has one outcome more often than it was returned.

There are two sets. The *session* books count the work of this process since it started. The *lifetime* books count the work below the
committed offset. They are stored in the commit itself, so they survive a kill and a change of worker, and nothing counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, Self

import orjson


class RecordOutcome(IntEnum):
    """The final outcome of a record."""

    REPORTED = 0  # at least one of its messages was reported now, and none was refused
    DUPLICATE = 1  # every message had been reported before, or is older than what was reported
    REDELIVERED = 2  # the same, and Kafka delivers this very record again: after a crash, or in a replay
    FILTERED = 3
    DEAD_LETTERED = 4


class MessageResult(IntEnum):
    """How one message of a record ended."""

    EVENT_REPORTED = 0
    EVENT_DUPLICATE = 1
    EVENT_REDELIVERED = 2
    EVENT_REFUSED = 3
    USER_REPORTED = 4
    USER_DUPLICATE = 5
    USER_REFUSED = 6


@dataclass(frozen=True, slots=True)
class RecordResult:
    """How a record ended: its outcome, and how many of its messages ended in which way. Ways without a message are left out."""

    outcome: RecordOutcome
    messages: tuple[tuple[MessageResult, int], ...] = ()


FILTERED = RecordResult(RecordOutcome.FILTERED)
REFUSED = RecordResult(RecordOutcome.DEAD_LETTERED)


class Tally:
    """Running sums of finished records: the records by outcome, and the messages by result. Adding costs the same, whatever was added before."""

    __slots__ = ("messages", "outcomes")

    def __init__(self) -> None:
        self.outcomes = [0] * len(RecordOutcome)
        self.messages = [0] * len(MessageResult)

    def add(self, result: RecordResult, records: int = 1) -> None:
        """Add records that ended in the same way."""
        self.outcomes[result.outcome] += records
        for kind, count in result.messages:
            self.messages[kind] += count * records

    @property
    def remembered(self) -> int:
        """The number of records of which the dedup store remembers something: all that were not filtered."""
        return sum(self.outcomes) - self.outcomes[RecordOutcome.FILTERED]

    @classmethod
    def of(cls, results: Iterable[RecordResult]) -> Self:
        """Return the tally of some records."""
        tally = cls()
        for result in results:
            tally.add(result)
        return tally

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and (self.outcomes, self.messages) == (other.outcomes, other.messages)

    __hash__ = None  # type: ignore[assignment]  # it changes


class BooksUnbalanced(Exception):
    """The books do not balance. This is a fault of the job itself, never of a record or a setting."""


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of records by outcome, and of messages. `duplicate` includes `redelivered`; so do `events_duplicate` and `events_redelivered`.

    A message counts when its outcome is known, also if its record was returned meanwhile.
    """

    read: int = 0
    reported: int = 0
    duplicate: int = 0
    redelivered: int = 0
    filtered: int = 0
    dead_lettered: int = 0
    in_flight: int = 0
    returned: int = 0
    events_reported: int = 0
    events_duplicate: int = 0
    events_redelivered: int = 0
    events_refused: int = 0
    users_reported: int = 0
    users_duplicate: int = 0
    users_refused: int = 0
    lost_to_retention: int = 0

    @classmethod
    def of(cls, tally: Tally, *, in_flight: int = 0, returned: int = 0, lost: int = 0, read: int | None = None) -> Self:
        """Return the books of a tally. Without `read`, that count is the tally plus the records in flight and returned."""
        outcomes = tally.outcomes
        reported, duplicate, redelivered, filtered, dead_lettered = outcomes
        events_reported, events_duplicate, events_redelivered, events_refused, *users = tally.messages
        return cls(
            read=sum(outcomes) + in_flight + returned if read is None else read,
            reported=reported,
            duplicate=duplicate + redelivered,
            redelivered=redelivered,
            filtered=filtered,
            dead_lettered=dead_lettered,
            in_flight=in_flight,
            returned=returned,
            events_reported=events_reported,
            events_duplicate=events_duplicate + events_redelivered,
            events_redelivered=events_redelivered,
            events_refused=events_refused,
            users_reported=users[0],
            users_duplicate=users[1],
            users_refused=users[2],
            lost_to_retention=lost,
        )

    @classmethod
    def total(cls, books: Iterable[Books]) -> Books:
        """Return the sum of several books, column by column."""
        sums = [0] * len(COLUMNS)
        for each in books:
            for column, name in enumerate(COLUMNS):
                sums[column] += getattr(each, name)
        return cls(*sums)

    def ended(self) -> Books:
        """Return the books of a process that has ended, in whatever way: its records in flight are returned."""
        return replace(self, returned=self.returned + self.in_flight, in_flight=0)

    def check(self) -> None:
        """Raise `BooksUnbalanced` unless every record that was read has exactly one outcome."""
        finished = self.reported + self.duplicate + self.filtered + self.dead_lettered
        accounted = finished + self.in_flight + self.returned
        if accounted != self.read:
            raise BooksUnbalanced(
                f"read {self.read}, but accounted for {accounted}: {self.reported} reported, {self.duplicate} duplicate, "
                f"{self.filtered} filtered, {self.dead_lettered} dead-lettered, {self.in_flight} in flight, {self.returned} returned"
            )

    def as_dict(self) -> dict[str, int]:
        """Return every column by name."""
        return {name: getattr(self, name) for name in COLUMNS}


COLUMNS = tuple(field.name for field in fields(Books))


def encode_books(tally: Tally, lost: int, until: int | None = None, store_id: str = "") -> str:
    """Return lifetime books as commit metadata: a few hundred bytes. The broker's limit is 4,096.

    `until` is the end of a replay (exclusive), so that the replay has the same end after an interruption. `store_id` is the identity of the dedup
    store that remembers these records, or records behind them; earlier versions pass over it.
    """
    document: dict[str, Any] = {"endings": _rows(tally), "lost": lost}
    if until is not None:
        document["until"] = until
    if store_id:
        document["store"] = store_id
    return orjson.dumps(document).decode()


def decode_books(metadata: str) -> tuple[Tally, int, int | None]:
    """Return tally, lost and until from the text of `encode_books`. Other metadata counts as none: the books then begin at zero."""
    tally = Tally()
    try:
        document = orjson.loads(metadata) if metadata else {}
        for outcome, *messages, count in document.get("endings", []):
            tally.outcomes[RecordOutcome(outcome)] += int(count)
            for kind, each in zip(MessageResult, messages, strict=True):
                tally.messages[kind] += int(each) * int(count)
        return tally, int(document.get("lost", 0)), document.get("until")
    except (ValueError, TypeError, AttributeError):
        return Tally(), 0, None


def decode_store_id(metadata: str) -> str:
    """Return the identity of the dedup store from the text of `encode_books`; "" where it has none, as with a version that wrote none."""
    try:
        found = orjson.loads(metadata).get("store") if metadata else ""
    except (ValueError, AttributeError):
        return ""
    return found if isinstance(found, str) else ""


def _rows(tally: Tally) -> list[list[int]]:
    """Return rows of an outcome, the messages of one record, and the number of such records.

    Earlier versions wrote a row for each way in which records ended, and add the rows up. So here one record has all messages, and the others none.
    """
    rows: list[list[int]] = []
    messages, none = tally.messages, [0] * len(MessageResult)
    for outcome, count in zip(RecordOutcome, tally.outcomes, strict=True):
        if count and messages is not none:
            rows.append([outcome, *messages, 1])
            count, messages = count - 1, none  # noqa: PLW2901 - the rest of this outcome's records
        if count:
            rows.append([outcome, *none, count])
    return rows
