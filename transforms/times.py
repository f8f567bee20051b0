"""Times as logs write them, to Unix milliseconds (reference, sections 1.2 and 8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from transforms.fault import BadExpression
from transforms.fields import Inconvertible

DEFAULT_ZONE = "Asia/Shanghai"
"""The zone of a time that names none (reference, section 8)."""

LEAST_MS = 946_684_800_000  # 2000-01-01T00:00:00Z
MOST_MS = 4_102_444_800_000  # 2100-01-01T00:00:00Z

_EPOCH_SECONDS_BELOW = 100_000_000_000
"""A number below this is seconds (until the year 5138), above it milliseconds: the two never meet within the times accepted."""

_DIRECTIVES = frozenset("YmdHMSfzZjpIybBaA%")
_ISO_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?")
MOST_CHARACTERS = 64


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        BadExpression: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadExpression(f"unknown time zone {name!r}", "an IANA name such as Asia/Shanghai or UTC") from None


def checked_ms(milliseconds: int) -> int:
    """Return the time if it can be one of an event: from 2000 to 2099.

    Raises:
        Inconvertible: it cannot.
    """
    if not LEAST_MS <= milliseconds < MOST_MS:
        raise Inconvertible("the time is not between the years 2000 and 2099")
    return milliseconds


def epoch_ms(value: Any) -> int:
    """Read seconds or milliseconds since 1970, told apart by their size; a fraction of seconds is kept to the millisecond.

    Raises:
        Inconvertible: it is no number, or no time of an event.
    """
    if value.__class__ is int:
        return checked_ms(value * 1000 if value < _EPOCH_SECONDS_BELOW else value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | Decimal | str)
        or (isinstance(value, str) and len(value) > MOST_CHARACTERS)
    ):
        raise Inconvertible("the time is no number")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise Inconvertible("the time is no number") from None
    if not number.is_finite() or abs(number) > 10**15:
        raise Inconvertible("the time is not between the years 2000 and 2099")
    return checked_ms(int(number * 1000 if number < _EPOCH_SECONDS_BELOW else number))


def iso_reader(zone_name: str = DEFAULT_ZONE) -> Callable[[Any], int]:
    """Return a reader of ISO 8601 times; one without a zone is in `zone_name`."""
    offset_ms = _offsets(zone_name)

    def read(value: Any) -> int:
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
            raise Inconvertible("the time is no text")
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            raise Inconvertible("the time is not written as ISO 8601") from None
        return _to_ms(moment, offset_ms)

    return read


def format_reader(pattern: str, zone_name: str = DEFAULT_ZONE) -> Callable[[Any], int]:
    """Return a reader of times in a `strptime` format; one without a zone of its own is in `zone_name`.

    Raises:
        BadExpression: the format has an unknown directive, or names no day.
    """
    directives = re.findall(r"%(.?)", pattern)
    unknown = [f"%{each}" for each in directives if each not in _DIRECTIVES or not each]
    if unknown:
        raise BadExpression(
            f"the format {pattern!r} with {', '.join(unknown)}",
            f"directives out of {' '.join('%' + each for each in sorted(_DIRECTIVES))}",
        )
    if not {"Y", "y"} & set(directives):
        raise BadExpression(f"the format {pattern!r}, which names no year", "a format such as '%Y-%m-%d %H:%M:%S'")
    if pattern in {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f"}:
        # datetime.fromisoformat reads these some ten times as fast as strptime.
        reader, length = iso_reader(zone_name), len("2026-11-11 00:00:00")

        def read_fast(value: Any) -> int:
            if (
                isinstance(value, str)
                and (len(value) == length or "%f" in pattern)
                and _ISO_WITHOUT_ZONE.fullmatch(value)
            ):
                return reader(value)
            raise Inconvertible("the time is not written in the format of the mapping")

        return read_fast
    offset_ms = _offsets(zone_name)

    def read(value: Any) -> int:
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
            raise Inconvertible("the time is no text")
        try:
            moment = datetime.strptime(value.strip(), pattern)  # noqa: DTZ007 - the zone is added where the text has none
        except ValueError:
            raise Inconvertible("the time is not written in the format of the mapping") from None
        return _to_ms(moment, offset_ms)

    return read


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - subtracted from times without a zone
_MILLISECOND = timedelta(milliseconds=1)


def _to_ms(moment: datetime, offset_ms: Callable[[int, int, int, int], int]) -> int:
    if moment.tzinfo is not None:
        return checked_ms((moment - _EPOCH) // _MILLISECOND)
    try:
        offset = offset_ms(moment.year, moment.month, moment.day, moment.hour)
    except (OverflowError, ValueError):
        raise Inconvertible("the time is not between the years 2000 and 2099") from None
    return checked_ms((moment - _NAIVE_EPOCH) // _MILLISECOND - offset)


@lru_cache(maxsize=32)
def _offsets(zone_name: str) -> Callable[[int, int, int, int], int]:
    """Return the zone's offset by the hour, remembered: a zone's clock changes at most a few times a year, a log has millions of lines."""
    there = zone(zone_name)

    @lru_cache(maxsize=4096)
    def offset_ms(year: int, month: int, day: int, hour: int) -> int:
        delta = datetime(year, month, day, hour, tzinfo=there).utcoffset() or timedelta()
        return delta // _MILLISECOND

    return offset_ms
