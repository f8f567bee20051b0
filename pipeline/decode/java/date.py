"""Java's date formats, `yyyy-MM-dd HH:mm:ss,SSS`, as a pattern of RE2 and a function that reads the time; and the named formats of Logback and Log4j 2."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from transforms.values.time_formats import format_reader
from transforms.values.times import epoch_ms, iso_reader

_NAMED: Mapping[str, str] = MappingProxyType(
    {
        "": "yyyy-MM-dd HH:mm:ss,SSS",
        "DEFAULT": "yyyy-MM-dd HH:mm:ss,SSS",
        "DEFAULT_MICROS": "yyyy-MM-dd HH:mm:ss,SSSSSS",
        "DEFAULT_NANOS": "yyyy-MM-dd HH:mm:ss,SSSSSSSSS",
        "DEFAULT_PERIOD": "yyyy-MM-dd HH:mm:ss.SSS",
        "STRICT": "yyyy-MM-dd'T'HH:mm:ss,SSS",
        "COMPACT": "yyyyMMddHHmmssSSS",
        "DATE": "dd MMM yyyy HH:mm:ss,SSS",
        "DATE_PERIOD": "dd MMM yyyy HH:mm:ss.SSS",
        "ABSOLUTE": "HH:mm:ss,SSS",
        "ABSOLUTE_MICROS": "HH:mm:ss,SSSSSS",
        "ABSOLUTE_NANOS": "HH:mm:ss,SSSSSSSSS",
        "ABSOLUTE_PERIOD": "HH:mm:ss.SSS",
    }
)
"""Names of Log4j 2's `%d` (PatternLayout, "Date") and Logback's (`STRICT`), and the format behind each."""

_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d{3,9}(?:Z|[+-]\d\d(?::?\d\d)?)?"  # Logback has a blank, Log4j 2 a T
_ISO_BASIC = r"\d{8}T\d{6}[.,]\d{3}"

_LETTERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "yyyy": ("%Y", r"\d{4}"), "uuuu": ("%Y", r"\d{4}"), "yy": ("%y", r"\d{2}"),
        "MMMM": ("%B", "[A-Za-z]+"), "MMM": ("%b", "[A-Za-z]{3}"), "MM": ("%m", r"\d{2}"),
        "dd": ("%d", r"\d{2}"), "EEEE": ("%A", "[A-Za-z]+"), "EEE": ("%a", "[A-Za-z]{3}"), "HH": ("%H", r"\d{2}"), "mm": ("%M", r"\d{2}"), "ss": ("%S", r"\d{2}"),
        "SSS": ("%f", r"\d{3}"), "SSSSSS": ("%f", r"\d{6}"), "SSSSSSSSS": ("%f", r"\d{9}"),
        "XXX": ("%z", r"(?:Z|[+-]\d\d:\d\d)"), "XX": ("%z", r"(?:Z|[+-]\d{4})"), "Z": ("%z", r"[+-]\d{4}"), "xxx": ("%z", r"[+-]\d\d:\d\d"),
    }
)  # fmt: skip
"""Letters of Java's date formats: the directive of `strptime` for them, and the pattern of their text."""

_PIECE = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_QUOTED = re.compile(r"""\s*(["'])(.*)\1\s*(?:,\s*(.*))?""")
_JAVA_ZONE = re.compile(r"(?:GMT|UTC)([+-])(\d{1,2})(?::?00)?", re.ASCII)


class UnknownLettersError(ValueError):
    """A date format holds letters that this decoder does not know."""


class JavaDate(NamedTuple):
    """A date format. `reader` takes a zone and returns the function that reads the date; None where the format has no day. `zone` is its own zone, or ""."""

    pattern: str
    reader: Callable[[str], Callable[[Any], int]] | None
    zone: str


def parse_date(option: str, zone: str) -> JavaDate:
    """Read the option of `%d`: a format or its name. It may stand in quotes, and a zone may follow after a comma.

    Raises:
        UnknownLettersError: the format holds letters that this decoder does not know.
    """
    if (quoted := _QUOTED.fullmatch(option)) is not None:
        written, own = quoted[2], quoted[3] or ""
    else:
        written, _, own = option.partition(", ")
    zone, name = _iana(zone or own.strip()), written.strip()
    if name.startswith("ISO8601"):
        return JavaDate(_ISO_BASIC if "BASIC" in name else _ISO, iso_reader, zone)
    if name in {"UNIX", "UNIX_MILLIS"}:
        return JavaDate(r"\d{10}" if name == "UNIX" else r"\d{13}", lambda _zone: epoch_ms, zone)
    directives: list[str] = []
    shape: list[str] = []
    for piece in _PIECE.finditer(_NAMED.get(name, written)):
        if piece[2]:
            if piece[0] not in _LETTERS:
                raise UnknownLettersError(piece[0])
            directive, one = _LETTERS[piece[0]]
        else:
            plain = piece[0] if piece[1] is None else piece[1].replace("''", "'")
            directive, one = plain.replace("%", "%%"), re.escape(plain)
        directives.append(directive)
        shape.append(one)
    pattern = "".join(directives)
    # A time of day without a day cannot be the time of an event.
    return JavaDate("".join(shape), (lambda there: format_reader(pattern, there)) if "%d" in directives else None, zone)


def _iana(zone: str) -> str:
    """Return the IANA name of a zone. Java's `GMT+8` is `Etc/GMT-8`, with the opposite sign (POSIX counts west of Greenwich)."""
    found = _JAVA_ZONE.fullmatch(zone)
    return f"Etc/GMT{'-' if found[1] == '+' else '+'}{int(found[2])}" if found else zone
