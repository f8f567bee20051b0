"""What a run over sample logs must come to, known before the run.

The generator writes down what it meant with each line; nothing here knows a decoder or a mapping. The unit is the
record: it is reported if at least one of its messages is reported and none refused, duplicate if all its messages were
reported before, filtered if no rule of the example source file matches it, dead-lettered if any part of it is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from schemas.refusal import ReasonCode

EventKey = tuple[str, str]
"""Event code and outBizId."""


class Meaning(NamedTuple):
    """What one line stands for. With neither events nor a user nor a refusal it is one that no rule matches."""

    events: tuple[EventKey, ...] = ()
    user: tuple[str, tuple[str, ...]] | None = None  # the customer, and all identities the line gives of them
    refusal: ReasonCode | None = None


@dataclass(frozen=True, slots=True)
class ExpectedBooks:
    """The closing books of a run that begins with an empty dedup store and reads every line once.

    Lines of one key must be read in order (one partition a key). Lines that are read again after a crash change nothing, if what
    was reported the first time still counts as reported. `user_messages` counts user messages reported: the first of each customer,
    and every one whose identities differ from those reported last.
    """

    read: int = 0
    reported: int = 0
    duplicate: int = 0
    filtered: int = 0
    dead_lettered: Mapping[ReasonCode, int] = field(default_factory=dict)
    events: frozenset[EventKey] = frozenset()
    user_messages: int = 0

    @property
    def dead_letters(self) -> int:
        """Dead-lettered records of any reason."""
        return sum(self.dead_lettered.values())

    @property
    def events_digest(self) -> str:
        """SHA-256 over the sorted event keys, in hexadecimal: short enough to be printed and compared."""
        lines = sorted(f"{len(code)}:{code}{out_biz_id}\n" for code, out_biz_id in self.events)
        return sha256("".join(lines).encode()).hexdigest()

    def __add__(self, other: ExpectedBooks) -> ExpectedBooks:
        """Books of two sources together; their events and customers must have nothing in common."""
        return ExpectedBooks(
            self.read + other.read,
            self.reported + other.reported,
            self.duplicate + other.duplicate,
            self.filtered + other.filtered,
            dict(Counter(self.dead_lettered) + Counter(other.dead_lettered)),
            self.events | other.events,
            self.user_messages + other.user_messages,
        )


class BookKeeper:
    """Enters one line after the other, in the order in which they are written."""

    def __init__(self) -> None:
        self._read = 0
        self._reported = 0
        self._duplicate = 0
        self._filtered = 0
        self._user_messages = 0
        self._dead: Counter[ReasonCode] = Counter()
        self._events: set[EventKey] = set()
        self._identities: dict[str, tuple[str, ...]] = {}

    def enter(self, meaning: Meaning) -> None:
        """Enter one line."""
        self._read += 1
        if meaning.refusal is not None:
            self._dead[meaning.refusal] += 1
        elif not meaning.events and meaning.user is None:
            self._filtered += 1
        elif self._anything_new(meaning):
            self._reported += 1
        else:
            self._duplicate += 1

    def _anything_new(self, meaning: Meaning) -> bool:
        known = len(self._events)
        self._events.update(meaning.events)
        new = len(self._events) > known
        if meaning.user is not None:
            customer, identities = meaning.user
            if self._identities.get(customer) != identities:
                self._identities[customer] = identities
                self._user_messages += 1
                new = True
        return new

    def books(self) -> ExpectedBooks:
        """Return the books of what was entered so far."""
        return ExpectedBooks(
            self._read,
            self._reported,
            self._duplicate,
            self._filtered,
            dict(self._dead),
            frozenset(self._events),
            self._user_messages,
        )
