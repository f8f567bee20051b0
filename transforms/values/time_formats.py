"""Times in a `strptime` format that the source file states. The time of a minute is remembered, since logs have many lines a minute."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from transforms.fault import BadExpression
from transforms.values.text import Inconvertible
from transforms.values.times import DEFAULT_ZONE, MOST_CHARACTERS, checked_ms, unix_ms, zone_offsets

DIRECTIVES = frozenset("YymdbBHIMSfpzjaA%")
"""The directives of a format. %Z is not among them: `strptime` reads the zone but drops it, so 00:00 GMT would be read as 00:00 in Shanghai."""

_PROBE = datetime(2026, 11, 12, 13, 24, 57, 345678, tzinfo=UTC)
"""A time of which no two parts are written alike."""

_SECOND = "57"
_SECONDS_MS = {f"{second:02}": second * 1000 for second in range(60)}
_MOST_MINUTES = 4096
_DIRECTIVE = re.compile(r"%.", re.DOTALL)
_FRACTION = re.compile(r"[.,]%f\Z")
_MOST_FRACTION_DIGITS = 9

TimeReader = Callable[[Any], int]


def _render(moment: datetime, pattern: str) -> str:
    """Return a moment as text. Each directive is written alone, since the result of `strftime` for other characters depends on the locale."""
    return _DIRECTIVE.sub(lambda found: moment.strftime(found[0]), pattern)


def format_reader(pattern: str, zone_name: str = DEFAULT_ZONE) -> TimeReader:
    """Return a reader of times in a `strptime` format; a time without a zone is in `zone_name`. The reader raises `Inconvertible`.

    Raises:
        BadExpression: the format has an unknown directive, has one twice, or does not say which day it is.
    """
    _check(pattern)
    fraction = _FRACTION.search(pattern)
    if fraction is None:
        return _minute_by_minute(pattern, zone_name)
    return _with_fraction(_minute_by_minute(pattern[: fraction.start()], zone_name), fraction[0][0])


def _check(pattern: str) -> None:
    directives = re.findall(r"%(.?)", pattern, re.DOTALL)
    unknown = [f"%{each}" for each in directives if each not in DIRECTIVES]
    if unknown:
        known = " ".join("%" + each for each in sorted(DIRECTIVES))
        hint = "; in place of %Z the zone's name itself, and the zone as second argument" if "%Z" in unknown else ""
        raise BadExpression(f"the format {pattern!r} with {', '.join(unknown)}", f"directives out of {known}{hint}")
    given = Counter(each for each in directives if each != "%")
    twice = [f"%{each}" for each, times in given.items() if times > 1]
    if twice:
        raise BadExpression(f"the format {pattern!r} with {', '.join(twice)} twice", "each directive once")
    day = ("d" in given and given.keys() & {"m", "b", "B"}) or "j" in given
    if not given.keys() & {"Y", "y"} or not day:
        raise BadExpression(
            f"the format {pattern!r}, which names no year or no day", "a format such as '%Y-%m-%d %H:%M:%S'"
        )
    if ("I" in given) != ("p" in given):
        raise BadExpression(f"the format {pattern!r} with one of %I and %p", "both, or %H")
    try:
        datetime.strptime(_render(_PROBE, pattern), pattern)  # noqa: DTZ007 - only whether it can be read
    except (ValueError, re.error) as error:
        raise BadExpression(
            f"the format {pattern!r}, which cannot be read ({type(error).__name__})",
            "a format such as '%Y-%m-%d %H:%M:%S'",
        ) from None


def _minute_by_minute(pattern: str, zone_name: str) -> TimeReader:
    """Return a reader that remembers the time of each minute: logs have many lines a minute, and `strptime` takes 6 us.

    A text is remembered only where `strftime` writes it the same way. Then every directive has its full width, the seconds stand at
    the same place in every such text, and only they differ within a minute. Names of days and months are not equally long: where
    such a name moves the seconds, the text is not remembered.
    """
    offset_ms = zone_offsets(zone_name)
    written = _render(_PROBE, pattern)
    place = written.find(_SECOND) if "%S" in pattern and written.count(_SECOND) == 1 else -1
    end, length = place + 2, len(written)
    at_end = end == length
    before = pattern.partition("%S")[0]
    minutes: dict[str, int] = {}

    def parse(value: Any) -> tuple[datetime, int]:
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
            raise Inconvertible("the time is no text")
        try:
            moment = datetime.strptime(value.strip(), pattern)  # noqa: DTZ007 - the zone is added where the text has none
        except (ValueError, OverflowError):
            raise Inconvertible("the time is not written in the format of the mapping") from None
        return moment, unix_ms(moment, offset_ms)

    if place < 0:
        return lambda value: parse(value)[1]

    def read(value: Any) -> int:
        if value.__class__ is not str or len(value) != length:
            return parse(value)[1]
        second = _SECONDS_MS.get(value[place:end])
        minute = value[:place] if at_end else value[:place] + value[end:]
        known = minutes.get(minute)
        if known is not None and second is not None:
            return known + second
        moment, milliseconds = parse(value)
        if second is not None and _render(moment, pattern) == value and len(_render(moment, before)) == place:
            if len(minutes) >= _MOST_MINUTES:
                minutes.clear()
            minutes[minute] = milliseconds - second
        return milliseconds

    return read


def _with_fraction(read_seconds: TimeReader, mark: str) -> TimeReader:
    """Return a reader of times with a fraction behind the last `mark`: up to nanoseconds, of which milliseconds are kept."""

    def read(value: Any) -> int:
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
            raise Inconvertible("the time is no text")
        before, found, fraction = value.rstrip().rpartition(mark)
        if not found or not (fraction.isascii() and fraction.isdigit()) or len(fraction) > _MOST_FRACTION_DIGITS:
            raise Inconvertible("the time is not written in the format of the mapping")
        return checked_ms(read_seconds(before) + int((fraction + "00")[:3]))

    return read
