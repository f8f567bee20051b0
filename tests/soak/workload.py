"""The records of a soak: log lines of which it is known what must become of each. They are a pure function of the seed."""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

CUSTOMERS = 300
EVENT_CODE = "pay_order"
POISON = "soak-poison"
"""A text in the messages that the API refuses for good."""

POISON_EVERY = 10_000
_TIME_MS = 1_700_000_000_000
_NOTE = "a note of about the length that a log line has; " * 3


class LineKind(StrEnum):
    """What a log line is, and so what must become of it."""

    EVENT = "event"  # one event
    REPEAT = "repeat"  # an earlier event once more, in another record: a duplicate
    USER = "user"  # the identities of a customer
    BOTH = "both"  # identities and an event
    FILTERED = "filtered"  # no rule matches
    BROKEN = "broken"  # no JSON: a dead letter
    POISON = "poison"  # an event that the API refuses: a dead letter

    @property
    def is_refused(self) -> bool:
        """Whether the record must become a dead letter."""
        return self in {LineKind.BROKEN, LineKind.POISON}


_SHARES = {
    LineKind.REPEAT: 0.05,
    LineKind.USER: 0.08,
    LineKind.BOTH: 0.02,
    LineKind.FILTERED: 0.03,
    LineKind.BROKEN: 0.005,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One log line. `event` is the outBizId of its event, `identities` the digest of the identities that it tells for `customer`."""

    number: int
    kind: LineKind
    key: bytes | None
    value: bytes
    event: str | None = None
    customer: str | None = None
    identities: str | None = None

    def partition(self, count: int) -> int:
        """Return the partition among `count`: the lines of one key are in one partition, lines without a key in any."""
        return zlib.crc32(self.key if self.key is not None else b"%d" % self.number) % count


def digest(open_id: str, union_id: str) -> str:
    """Return the digest that the stand-in's ledger has for these identities (docs/stand-in.md, "The ledger")."""
    pairs = [["open_id", open_id], ["union_id", union_id]]
    return hashlib.sha256(json.dumps(pairs, separators=(",", ":")).encode()).hexdigest()[:16]


class Workload:
    """Makes the lines of a soak, one after the other. The same seed makes the same lines, however many are taken at a time."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"lines of {seed}")
        self._number = 0
        self._events: deque[tuple[str, str]] = deque(maxlen=3_000)  # outBizId and customer of the latest events
        self._states: dict[str, list[int]] = {}  # what each customer's identities were, oldest first
        self._poison_at = self._chance.randrange(POISON_EVERY // 10)

    def take(self, count: int) -> list[Line]:
        """Return the next `count` lines."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Line:
        number, self._number = self._number, self._number + 1
        customer = f"c{int(CUSTOMERS * self._chance.random() ** 2)}"
        if number % POISON_EVERY == self._poison_at:
            return self._event(LineKind.POISON, number, customer, f"{POISON} {number}")
        kind = self._kind()
        match kind:
            case LineKind.BROKEN:
                return Line(number, kind, None, b'{"n": %d, "type": "paid", broken' % number)
            case LineKind.FILTERED:
                return Line(number, kind, customer.encode(), _json(number, "seen", user=customer))
            case LineKind.USER | LineKind.BOTH:
                return self._user(kind, number, customer)
            case LineKind.REPEAT if self._events:
                return self._repeat(number)
        return self._event(LineKind.EVENT, number, customer, _NOTE)

    def _kind(self) -> LineKind:
        drawn = self._chance.random()
        for kind, share in _SHARES.items():
            drawn -= share
            if drawn < 0:
                return kind
        return LineKind.EVENT

    def _event(self, kind: LineKind, number: int, customer: str, note: str) -> Line:
        key = customer.encode() if self._chance.random() < 0.8 else None
        event = f"e{number}"
        if kind is LineKind.EVENT:
            self._events.append((event, customer))
        return Line(number, kind, key, _json(number, "paid", user=customer, no=event, note=note), event=event)

    def _repeat(self, number: int) -> Line:
        newest = self._chance.random() < 0.5
        place = -1 - self._chance.randrange(min(20 if newest else 3_000, len(self._events)))
        event, customer = self._events[place]
        key = customer.encode() if self._chance.random() < 0.5 else None
        value = _json(number, "paid", user=customer, no=event, note=_NOTE)
        return Line(number, LineKind.REPEAT, key, value, event=event)

    def _user(self, kind: LineKind, number: int, customer: str) -> Line:
        states = self._states.setdefault(customer, [])
        drawn = self._chance.random()
        if states and drawn < 0.15:
            state = states[-1]  # unchanged
        elif states and drawn < 0.4:
            state = self._chance.choice(states)  # as they were before
        else:
            state = number
        states.append(state)
        open_id, union_id = f"o-{customer}-{state}", f"u-{customer}-{state}"
        fields = {"user": customer, "open": open_id, "union": union_id}
        event = f"e{number}" if kind is LineKind.BOTH else None
        if event is not None:
            fields |= {"no": event, "note": _NOTE}
        value = _json(number, "register" if event is None else "signup", **fields)
        return Line(number, kind, customer.encode(), value, event, customer, digest(open_id, union_id))


def _json(number: int, type_name: str, **fields: str) -> bytes:
    return json.dumps({"n": number, "type": type_name, "ts": _TIME_MS + number, **fields}).encode()


def number_of(value: bytes) -> int:
    """Return the number of the line that a record's value is."""
    return int(value[6 : value.index(b",")])
