"""The books: every record that was read has exactly one fate.

At any moment

    read = reported + duplicate + filtered + dead-lettered + in flight

Two sets are kept. The *session* books count what this process did since it started. The *lifetime* books count what lies below the
committed offset, and travel inside the commit itself, so that they survive a kill and a change of worker without being counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, NamedTuple, Self

import orjson


class RecordOutcome(IntEnum):
    """What finally became of a record."""

    REPORTED = 0  # at least one of its messages was reported now, and none was refused
    DUPLICATE = 1  # every message had been reported before, from another record
    REDELIVERED = (
        2  # every message had been reported before, from this very record: a re-read after a crash, or a replay
    )
    FILTERED = 3
    DEAD_LETTERED = 4


class RecordResult(NamedTuple):
    """How a record ended: its fate, and what became of the messages made from it."""

    fate: RecordOutcome
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
"""How often each kind of ending occurred: cheap to add to, and turned into `Books` only when somebody looks."""


class BooksUnbalanced(Exception):
    """The books do not balance: a fault in the job itself, never in a record or a setting."""


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of records by fate, and of messages. `duplicate` includes `redelivered`; so do `events_duplicate` and `events_redelivered`."""

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
        """Add a tally up. Without `read`, it is what the tally holds plus what is in flight."""
        fates = [0] * len(RecordOutcome)
        messages = [0] * (len(RecordResult._fields) - 1)
        for ending, count in tally.items():
            fates[ending.fate] += count
            for column, each in enumerate(ending[1:]):
                messages[column] += each * count
        reported, duplicate, redelivered, filtered, dead_lettered = fates
        events_reported, events_duplicate, events_redelivered, events_refused, *users = messages
        return cls(
            read=sum(fates) + in_flight if read is None else read,
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
        """The sum of several books, column by column."""
        sums = [0] * len(COLUMNS)
        for each in books:
            for column, name in enumerate(COLUMNS):
                sums[column] += getattr(each, name)
        return cls(*sums)

    def handed_back(self) -> Books:
        """Return the books of an owner that is gone: what it read and did not finish counts as not read, since another reads it again."""
        return replace(self, read=self.read - self.in_flight, in_flight=0)

    def check(self) -> None:
        """Raise `BooksUnbalanced` unless every record read has exactly one fate."""
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
    """Write lifetime books as commit metadata: a few hundred bytes, the broker's limit being 4,096.

    `until` is where a replay ends (exclusive), so that it goes on to the same end after an interruption.
    """
    endings = [[*ending, count] for ending, count in sorted(tally.items())]
    if len(endings) > MOST_ENDINGS:
        endings = _condense(tally)
    document: dict[str, Any] = {"endings": endings, "lost": lost}
    if until is not None:
        document["until"] = until
    return orjson.dumps(document).decode()


def decode_books(metadata: str) -> tuple[Tally, int, int | None]:
    """Read what `encode_books` wrote: tally, lost, until. Metadata by anyone else counts as none: the books then begin at zero."""
    try:
        document = orjson.loads(metadata) if metadata else {}
        tally = {
            RecordResult(RecordOutcome(fate), *counts): int(count)
            for fate, *counts, count in document.get("endings", [])
        }
        return tally, int(document.get("lost", 0)), document.get("until")
    except (ValueError, TypeError, AttributeError):
        return {}, 0, None


MOST_ENDINGS = 60
"""More different endings than this are condensed to one row a fate, so that the metadata stays small."""


def _condense(tally: Mapping[RecordResult, int]) -> list[list[int]]:
    """One record may end in countless ways (3 events reported, 2 duplicate, ...); keep the sums and one row a fate."""
    rows: list[list[int]] = []
    for fate in RecordOutcome:
        count = sum(number for ending, number in tally.items() if ending.fate is fate)
        if not count:
            continue
        sums = [
            sum(ending[column] * number for ending, number in tally.items() if ending.fate is fate)
            for column in range(1, 8)
        ]
        # One row with all the message counts, and the other records of that fate with none: the sums are unchanged.
        rows.append([fate, *sums, 1])
        if count > 1:
            rows.append([fate, 0, 0, 0, 0, 0, 0, 0, count - 1])
    return rows
