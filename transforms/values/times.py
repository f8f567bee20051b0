"""Times as logs write them, to Unix milliseconds (reference, sections 1.2 and 8)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from transforms.fault import BadExpression
from transforms.values.text import Inconvertible

DEFAULT_ZONE = "Asia/Shanghai"
"""The zone of a time that names none (reference, section 8)."""

LEAST_MS = 946_684_800_000  # 2000-01-01T00:00:00Z
MOST_MS = 4_102_444_800_000  # 2100-01-01T00:00:00Z

_SECONDS_BELOW, _MS_BELOW, _US_BELOW = 10**11, 10**14, 10**17
"""Numbers below these are seconds, milliseconds, microseconds; larger ones are nanoseconds. The times of two units from 2000 to 2099 never overlap."""

_OFFSET = re.compile(r"[+-]\d")
"""An offset from UTC. No similar name is suggested for one: `GMT+8` is not `GMT+0`."""

MOST_CHARACTERS = 64
_MOST_PLACES = 20
_CUT = Context(prec=40, rounding=ROUND_DOWN)
"""Fractions of a millisecond are cut off, however long they are."""


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        BadExpression: there is no zone of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = [] if _OFFSET.search(name) else difflib.get_close_matches(name, available_timezones(), n=1, cutoff=0.8)
        expected = f"{near[0]!r}, an IANA name" if near else "an IANA name such as Asia/Shanghai (UTC+8) or UTC"
        raise BadExpression(f"unknown time zone {name!r}", expected) from None


def checked_ms(milliseconds: int) -> int:
    """Return the time of an event, which lies between 2000 and 2099.

    Raises:
        Inconvertible: the time does not lie between these years.
    """
    if not LEAST_MS <= milliseconds < MOST_MS:
        raise Inconvertible("the time is not between the years 2000 and 2099")
    return milliseconds


def epoch_ms(value: Any) -> int:
    """Read seconds, milli-, micro- or nanoseconds since 1970. The size tells the unit. Fractions of a millisecond are cut off.

    Raises:
        Inconvertible: the value is no number, or no time of an event.
    """
    number: int | Decimal = value if value.__class__ is int else _number(value)
    if number < _SECONDS_BELOW:
        return _from_seconds(number)
    if number < _MS_BELOW:
        return checked_ms(int(number))
    return checked_ms(int(number) // (1_000 if number < _US_BELOW else 1_000_000))


def _from_seconds(number: int | Decimal) -> int:
    return checked_ms(int(_CUT.multiply(number, 1000)) if isinstance(number, Decimal) else number * 1000)


def _unit_reader(per_ms: int) -> Callable[[Any], int]:
    """Return a reader of one unit. A number in another unit is refused, since it would be a time in January 1970, or far beyond 2099."""
    return lambda value: checked_ms((value if value.__class__ is int else int(_number(value))) // per_ms)


EPOCHS: Mapping[str, Callable[[Any], int]] = MappingProxyType(
    {
        "epoch": epoch_ms,
        "epoch_s": lambda value: _from_seconds(value if value.__class__ is int else _number(value)),
        "epoch_ms": _unit_reader(1),
        "epoch_us": _unit_reader(1_000),
        "epoch_ns": _unit_reader(1_000_000),
    }
)
"""Readers of times since 1970 by name. They raise `Inconvertible`."""


def _number(value: Any) -> Decimal:
    if isinstance(value, str):
        text = value.strip()
        if len(text) > MOST_CHARACTERS or "_" in text:  # Decimal allows 1_000
            raise Inconvertible("the time is no number")
    elif isinstance(value, float | Decimal):
        text = str(value)
    else:
        raise Inconvertible("the time is no number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Inconvertible("the time is no number") from None
    if not number.is_finite() or abs(number.adjusted()) > _MOST_PLACES:  # checked first: 1e999999999 * 1000 overflows
        raise Inconvertible("the time is not between the years 2000 and 2099")
    return number


def iso_reader(zone_name: str = DEFAULT_ZONE) -> Callable[[Any], int]:
    """Return a reader of ISO 8601 times; a time without a zone is in `zone_name`."""
    offset_ms = zone_offsets(zone_name)
    return lambda value: unix_ms(iso_moment(value), offset_ms)


def iso_moment(value: Any) -> datetime:
    """Read an ISO 8601 time of any year, with or without a zone. Raises `Inconvertible`."""
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise Inconvertible("the time is no text")
    text = value.strip()
    if text[10:11] not in _BETWEEN_DATE_AND_TIME:
        raise Inconvertible("the time is not written as ISO 8601")
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise Inconvertible("the time is not written as ISO 8601") from None


_BETWEEN_DATE_AND_TIME = frozenset({"", "T", "t", " ", *"0123456789"})
"""The characters of the eleventh place: 2026-11-11T..., or a digit of 20261111T000000. `fromisoformat` itself takes any character."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - subtracted from times without a zone
_MILLISECOND = timedelta(milliseconds=1)
_LEAST_YEAR, _MOST_YEAR = 1999, 2100

OffsetOf = Callable[[datetime], int]
"""A zone's offset from UTC, in ms, at a local time."""


def unix_ms(moment: datetime, offset_ms: OffsetOf) -> int:
    """Return Unix milliseconds; a moment without a zone is in the zone of `offset_ms`. Fractions of a millisecond are cut off.

    Raises:
        Inconvertible: the moment is no time of an event.
    """
    if not _LEAST_YEAR <= moment.year <= _MOST_YEAR:
        raise Inconvertible("the time is not between the years 2000 and 2099")
    return checked_ms(since_1970_ms(moment, offset_ms))


def since_1970_ms(moment: datetime, offset_ms: OffsetOf) -> int:
    """Return Unix milliseconds of any year, as `unix_ms` does. Raises OverflowError where the calendar ends."""
    if moment.tzinfo is not None:
        return (moment - _EPOCH) // _MILLISECOND
    return (moment - _NAIVE_EPOCH) // _MILLISECOND - offset_ms(moment)


@lru_cache(maxsize=32)
def zone_offsets(zone_name: str) -> OffsetOf:
    """Return a function that gives the offset of a zone, and remembers it by day: `ZoneInfo` takes longer than all the rest of reading a time.

    On a day on which the offset changes, `ZoneInfo` is called for each time. Where a clock is set back, the first of two equal
    times is meant; where it is set forward, the offset before the change holds (PEP 495).

    Raises:
        BadExpression: there is no such zone.
    """
    time_zone = zone(zone_name)

    def exact_offset(moment: datetime) -> int:
        return (moment.replace(tzinfo=time_zone).utcoffset() or timedelta()) // _MILLISECOND

    @lru_cache(maxsize=1024)
    def of_day(year: int, month: int, day: int) -> int | None:
        midnight = datetime(year, month, day)  # noqa: DTZ001 - local time, whose offset is the question
        offsets = {exact_offset(midnight + timedelta(hours=hour)) for hour in range(25)}
        return offsets.pop() if len(offsets) == 1 else None

    def offset_ms(moment: datetime) -> int:
        whole_day = of_day(moment.year, moment.month, moment.day)
        return exact_offset(moment) if whole_day is None else whole_day

    return offset_ms
