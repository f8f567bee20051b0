"""The books: every record that was read has exactly one outcome.

At any moment

    read = reported + duplicate + filtered + dead-lettered + in flight

There are two sets. The *session* books count the work of this process since it started. The *lifetime* books count the work below the
committed offset. They are stored in the commit itself, so they survive a kill and a change of worker, and nothing counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, NamedTuple, Self

import orjson


class RecordOutcome(IntEnum):
    """The final outcome of a record."""

    REPORTED = 0  # at least one of its messages was reported now, and none was refused
    DUPLICATE = 1  # every message had been reported before, or is older than what was reported
    REDELIVERED = 2  # the same, and Kafka delivers this very record again: after a crash, or in a replay
    FILTERED = 3
    DEAD_LETTERED = 4


class RecordResult(NamedTuple):
    """How a record ended: its outcome, and the results of its messages."""

    outcome: RecordOutcome
    events_reported: int = 0
    events_duplicate: int = 0
    events_redelivered: int = 0
    events_refused: int = 0
    users_reported: int = 0
    users_duplicate: int = 0
    users_refused: int = 0


FILTERED = RecordResult(RecordOutcome.FILTERED)
REFUSED = RecordResult(RecordOutcome.DEAD_LETTERED)

Tally = dict[RecordResult, int]
"""The number of records by result. Adding is cheap; `Books` are made from it only when they are shown."""


class BooksUnbalanced(Exception):
    """The books do not balance. This is a fault of the job itself, never of a record or a setting."""


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of records by outcome, and of messages. `duplicate` includes `redelivered`; so do `events_duplicate` and `events_redelivered`."""

    read: int = 0
    reported: int = 0
    duplicate: int = 0
    redelivered: int = 0
    filtered: int = 0
    dead_lettered: int = 0
    in_flight: int = 0
    events_reported: int = 0
    events_duplicate: int = 0
    events_redelivered: int = 0
    events_refused: int = 0
    users_reported: int = 0
    users_duplicate: int = 0
    users_refused: int = 0
    lost_to_retention: int = 0

    @classmethod
    def of(
        cls, tally: Mapping[RecordResult, int], *, read: int | None = None, in_flight: int = 0, lost: int = 0
    ) -> Self:
        """Return the sums of a tally. Without `read`, that count is the tally plus the records in flight."""
        outcomes = [0] * len(RecordOutcome)
        messages = [0] * (len(RecordResult._fields) - 1)
        for result, count in tally.items():
            outcomes[result.outcome] += count
            for column, each in enumerate(result[1:]):
                messages[column] += each * count
        reported, duplicate, redelivered, filtered, dead_lettered = outcomes
        events_reported, events_duplicate, events_redelivered, events_refused, *users = messages
        return cls(
            read=sum(outcomes) + in_flight if read is None else read,
            reported=reported,
            duplicate=duplicate + redelivered,
            redelivered=redelivered,
            filtered=filtered,
            dead_lettered=dead_lettered,
            in_flight=in_flight,
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

    def after_crash(self) -> Books:
        """Return the books of a crashed owner: its records in flight count as not read, since another member reads them again."""
        return replace(self, read=self.read - self.in_flight, in_flight=0)

    def check(self) -> None:
        """Raise `BooksUnbalanced` unless every record that was read has exactly one outcome."""
        accounted = self.reported + self.duplicate + self.filtered + self.dead_lettered + self.in_flight
        if accounted != self.read:
            raise BooksUnbalanced(
                f"read {self.read}, but accounted for {accounted}: {self.reported} reported, {self.duplicate} duplicate, "
                f"{self.filtered} filtered, {self.dead_lettered} dead-lettered, {self.in_flight} in flight"
            )

    def as_dict(self) -> dict[str, int]:
        """Return every column by name."""
        return {name: getattr(self, name) for name in COLUMNS}


COLUMNS = tuple(field.name for field in fields(Books))


def encode_books(tally: Mapping[RecordResult, int], lost: int, until: int | None = None) -> str:
    """Return lifetime books as commit metadata: a few hundred bytes. The broker's limit is 4,096.

    `until` is the end of a replay (exclusive), so that the replay has the same end after an interruption.
    """
    results = [[*result, count] for result, count in sorted(tally.items())]
    if len(results) > MOST_RESULTS:
        results = _condense(tally)
    document: dict[str, Any] = {"endings": results, "lost": lost}
    if until is not None:
        document["until"] = until
    return orjson.dumps(document).decode()


def decode_books(metadata: str) -> tuple[Tally, int, int | None]:
    """Return tally, lost and until from the text of `encode_books`. Other metadata counts as none: the books then begin at zero."""
    try:
        document = orjson.loads(metadata) if metadata else {}
        tally = {
            RecordResult(RecordOutcome(outcome), *counts): int(count)
            for outcome, *counts, count in document.get("endings", [])
        }
        return tally, int(document.get("lost", 0)), document.get("until")
    except (ValueError, TypeError, AttributeError):
        return {}, 0, None


MOST_RESULTS = 60
"""More different results than this are condensed to two rows an outcome, so that the metadata stays small."""


def _condense(tally: Mapping[RecordResult, int]) -> list[list[int]]:
    """Return rows with the same sums. A record may end in countless ways, such as 3 events reported and 2 duplicate."""
    rows: list[list[int]] = []
    for outcome in RecordOutcome:
        count = sum(number for result, number in tally.items() if result.outcome is outcome)
        if not count:
            continue
        sums = [
            sum(result[column] * number for result, number in tally.items() if result.outcome is outcome)
            for column in range(1, 8)
        ]
        # One row has all message counts, and the other records of that outcome have none: the sums do not change.
        rows.append([outcome, *sums, 1])
        if count > 1:
            rows.append([outcome, 0, 0, 0, 0, 0, 0, 0, count - 1])
    return rows
