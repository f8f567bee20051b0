"""A layout of Logback or Log4j 2, `%d{yyyy-MM-dd HH:mm:ss.SSS} [%thread] %-5level %logger - %msg%n`, as a pattern of RE2 and the names of its fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.decode.java.date import JavaDate, UnknownLettersError, parse_date

LAYOUTS: Mapping[str, str] = MappingProxyType(
    {
        "spring_boot": "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %5p %pid --- %applicationName%applicationGroup[%15.15t] %correlationId%-40.40logger{39} : %m%n%wEx",
        "spring_boot_2": "%d{yyyy-MM-dd HH:mm:ss.SSS} %5p %pid --- [%15.15t] %-40.40logger{39} : %m%n%wEx",
        "logback": "%d{yyyy-MM-dd HH:mm:ss.SSS} [%thread] %-5level %logger{36} - %msg%n",
        "log4j": "%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p [%t] %c{1} (%F:%L) - %m%n",
    }
)
"""Layouts by a name of ours: Spring Boot's defaults, and the layouts that most logback.xml and log4j files have."""

_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "thread": (r"[^\n\[\]]*?", "t thread tn threadName"),
        "level": (r"[A-Z]+", "p le level"),
        "logger": (r"[^\s]*?", "c lo logger"),
        "class": (r"[^\s]*?", "C class"),
        "method": (r"[^\s]*?", "M method"),
        "line": (r"[0-9?]*", "L line"),
        "file": (r"[^\n]*?", "F file"),
        "message": (r"[^\n]*", "m msg message"),
        "pid": (r"[0-9]*", "pid processId"),
        "uptime_ms": (r"[0-9]+", "r relative"),
        "sequence": (r"[0-9]+", "sn sequenceNumber"),
        "marker": (r"[^\s]*?", "marker markerSimpleName"),
        "host": (r"[^\s]*?", "hostName"),
        "context_name": (r"[^\s]*?", "cn contextName"),
        "key_values": (r"[^\n]*?", "kvp"),
        "mdc": (r"[^\n]*?", "X mdc MDC"),
        "ndc": (r"[^\n]*?", "x NDC"),
        "location": (r"[^\n]*?", "l location"),
        "thread_id": (r"[0-9]+", "T tid threadId"),
    }
)
"""The fields that conversion words give: the pattern of the field's text, and the words."""

_FIELDS = {word: (name, shape) for name, (shape, words) in _WORDS.items() for word in words.split()}
_BRACKETED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "applicationName": ("application", r"[^\n\[\]]+?"),
        "applicationGroup": ("application_group", r"[^\n\[\]]+?"),
        "correlationId": ("correlation_id", r"[0-9A-Fa-f]{16,32}-[0-9A-Fa-f]{16}"),
    }
)
"""Words of Spring Boot that write `[...] `, or nothing. The pattern of the correlation ID excludes thread names."""

_NOTHING = frozenset(
    ("n", "ex", "exception", "throwable", "xEx", "xException", "xThrowable", "wEx", "wex", "xwEx", "rEx", "rException", "nopex", "nopexception", "caller")
)  # fmt: skip
_DATES = frozenset({"d", "date"})
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white", "gray", "faint")
_GROUPS = frozenset(
    ("highlight", "style", "clr", "enc", "encode", "replace", "notEmpty", "maxLen", *_COLOURS, *(f"bold{colour.title()}" for colour in _COLOURS))
)  # fmt: skip
_CONVERSION = re.compile(r"%(-?\d{0,4})(?:\.-?\d{1,4})?(?:([A-Za-z]+)|(?=\())")
_MESSAGE = re.compile(r" +%-?[\d.]*(?:m|msg|message)(?![A-Za-z])")
_MOST_GROUPS = 50


class LayoutError(ValueError):
    """A layout cannot be read. The message says what was found and what is expected."""


class Layout(NamedTuple):
    """A layout as a pattern. `fields` names its groups in order. `date` is the format of its time, None where it has no time."""

    pattern: str
    fields: tuple[str, ...]
    date: JavaDate | None

    def time_reader(self, time_zone: str) -> Callable[[Any], int] | None:
        """Return the function that reads the layout's time to Unix milliseconds; None where it has no day. Raises `BadExpression` for an unknown zone."""
        if self.date is None or self.date.reader is None:
            return None
        return self.date.reader(self.date.zone or time_zone)


def parse_layout(text: str) -> Layout:
    """Read a layout, or the name of one of `LAYOUTS`.

    Raises:
        LayoutError: the text is not a layout that this decoder knows.
    """
    reader = _Reader(LAYOUTS.get(text, text))
    pattern = reader.read(0, closing=False)[0]
    if "message" not in reader.fields:
        raise LayoutError("a layout without %msg; expected one as it stands in logback.xml or log4j2.xml")
    return Layout(pattern, tuple(reader.fields), reader.date)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._groups = 0
        self.fields: list[str] = []
        self.date: JavaDate | None = None

    def read(self, position: int, *, closing: bool) -> tuple[str, int]:
        """Return the pattern of the text up to its end, or up to the bracket that closes a group; and the position after it."""
        pieces: list[str] = []
        text = self._text
        while position < len(text):
            character = text[position]
            if character == ")" and closing:
                return "".join(pieces), position + 1
            if character == "\\" and position + 1 < len(text):
                pieces.append(re.escape(text[position + 1]))
                position += 2
            elif character != "%":
                pieces.append(self._blank(position) if character == " " else re.escape(character))
                position += 1
            elif text.startswith("%%", position):
                pieces.append("%")
                position += 2
            else:
                pattern, position = self._conversion(position)
                pieces.append(pattern)
        if closing:
            raise LayoutError("a bracket of the layout that is not closed; expected a ) after it")
        return "".join(pieces), position

    def _blank(self, position: int) -> str:
        """Return the pattern of a blank. Padding adds blanks, and a log shipper may strip the blanks at the end of a line with an empty message."""
        is_near_the_end = "message" in self.fields or _MESSAGE.match(self._text, position)
        return " *" if is_near_the_end else " +"

    def _conversion(self, position: int) -> tuple[str, int]:
        found = _CONVERSION.match(self._text, position)
        if found is None:
            raise LayoutError(
                f"{self._text[position : position + 10]!r} in the layout; expected a conversion word such as %msg"
            )
        word, position = found[2] or "", found.end()
        if not word or word in _GROUPS:
            if self._text[position : position + 1] != "(" and self._text[position : position + 1] != "{":
                raise LayoutError(f"%{word} without brackets; expected %{word}(...)")
            group, position = self._group(position)
            return f"{group}?" if word == "notEmpty" else group, position
        word, position = self._longest(word, position)
        option, position = self._option(position)
        padded = " *" if found[1] else ""
        if word in _NOTHING:
            return "", position
        if word in _DATES:
            zone, position = self._option(position)
            return self._date(option, zone), position
        if word in _BRACKETED:
            return self._bracketed(word), position
        name, shape = _FIELDS[word]
        if name == "level" and option:  # Log4j 2: lowerCase=true, or names that the layout sets
            shape = "[A-Za-z]+"
        if name == "mdc" and option:
            name = f"mdc_{re.sub(r'[^A-Za-z0-9]', '_', option.partition(':-')[0])}"
        return f"{padded}{self._field(name, shape)}{padded}", position

    def _longest(self, letters: str, position: int) -> tuple[str, int]:
        """Return the longest word at the beginning of these letters, and the position after it: `%msgtext` is %msg and text."""
        for length in range(len(letters), 0, -1):
            word = letters[:length]
            if word in _FIELDS or word in _NOTHING or word in _DATES or word in _BRACKETED:
                return word, position - (len(letters) - length)
        raise LayoutError(
            f"unknown conversion word %{letters}; expected one of Logback's or Log4j 2's, such as %thread, %level, %msg"
        )

    def _option(self, position: int) -> tuple[str, int]:
        if self._text[position : position + 1] != "{":
            return "", position
        end = self._text.find("}", position)
        if end < 0:
            raise LayoutError("a brace of the layout that is not closed; expected a } after it")
        return self._text[position + 1 : end], end + 1

    def _group(self, position: int) -> tuple[str, int]:
        """Return the pattern inside a group of Logback, `%cyan(...)`, or of Log4j 2, `%highlight{...}{...}`; and the position after the group."""
        self._groups += 1
        if self._groups > _MOST_GROUPS:
            raise LayoutError(f"more than {_MOST_GROUPS} groups in the layout; expected fewer")
        if self._text[position] == "(":
            inner, position = self.read(position + 1, closing=True)
        else:
            end, depth = position + 1, 1
            while depth and end < len(self._text):
                depth += {"{": 1, "}": -1}.get(self._text[end], 0)
                end += 1
            if depth:
                raise LayoutError("a brace of the layout that is not closed; expected a } after it")
            whole, self._text = self._text, self._text[position + 1 : end - 1]
            inner, _ = self.read(0, closing=False)
            self._text, position = whole, end
        while self._text[position : position + 1] == "{":
            _, position = self._option(position)
        return f"(?: *{inner} *)", position

    def _field(self, name: str, shape: str) -> str:
        if name in self.fields:
            return f"(?:{shape})"
        self.fields.append(name)
        return f"({shape})"

    def _bracketed(self, word: str) -> str:
        """Return the pattern of a name in brackets. An application group is read only after an application: a single name is the application's."""
        if word == "applicationGroup" and "application_group" in self.fields:
            return ""  # read together with the application
        name = self._field(*_BRACKETED[word])
        behind = self._bracketed("applicationGroup") if word == "applicationName" else ""
        return rf"(?:\[(?:{name}| +)\] {behind})??"

    def _date(self, option: str, zone: str) -> str:
        if self.date is not None:
            raise LayoutError("two dates in the layout; expected one")
        try:
            self.date = parse_date(option, zone)
        except UnknownLettersError as letters:
            raise LayoutError(
                f"{str(letters)!r} in the date format; expected letters such as yyyy-MM-dd HH:mm:ss.SSS"
            ) from None
        return self._field("time", self.date.pattern)
