"""Reads one line of an access log by the pieces of its format string.

A format is a list of pieces: literal text, and fields between. Web servers escape the quote inside quoted values but
nothing else, so a value may hold the text that separates it from the next value (a user name with a space). Lines are
therefore read in two ways, which agree wherever the first one succeeds. The first is a pattern in which a free text ends at
the first character of the next piece (possessive, so one pass and no back-tracking). The second, for the few other lines,
is RE2 with the shortest texts that match.

Where the server writes a backslash before a quote, that quote does not end a value: otherwise a visitor could send a quote,
end the value with it and forge the fields after it. In the same way, the blank after a comma does not end a list of
addresses. Only a line that cannot be read by these two rules is read without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from transforms.values.pattern import Pattern


class FormatError(ValueError):
    """A log format cannot be read, or the fields of its lines cannot be separated."""


class Shape(StrEnum):
    """The form of a field's value."""

    TEXT = "text"
    TARGET = "target"  # the path of a URL; it begins with a slash where it follows another field
    ARGUMENTS = "arguments"  # empty, or a question mark and a query
    INTEGER = "integer"
    COUNT = "count"  # an integer for which the server writes "-" instead of 0 (Apache's %b)
    DECIMAL = "decimal"
    TIME_LOCAL = "time_local"
    TIME_ISO8601 = "time_iso8601"
    ATTEMPTS = "attempts"  # one value for each server that was asked (nginx's $upstream_addr and the like)
    ADDRESSES = "addresses"  # text, mostly addresses with a comma and a blank between them (X-Forwarded-For)
    SECONDS = "seconds"  # Unix seconds with three decimals (nginx's $msec)


class FieldPiece(NamedTuple):
    """One field of a format."""

    name: str
    shape: Shape = Shape.TEXT


Piece = str | FieldPiece


class Writing(NamedTuple):
    """How the server writes values. Apache, and nginx by default, write a dash for an absent value."""

    escapes_quotes: bool = True  # the server writes a backslash before a quote
    leaves_absent_empty: bool = False  # no dash for an absent value (nginx's escape=json and escape=none)


_TYPED = {
    Shape.INTEGER: r"-?[0-9]{1,18}|-",
    Shape.COUNT: r"[0-9]{1,18}|-",
    Shape.DECIMAL: r"[0-9]{1,12}(?:\.[0-9]{1,9})?|-",
    Shape.TIME_LOCAL: r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}",
    Shape.TIME_ISO8601: r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[+-][0-9]{2}:[0-9]{2}|Z)",
    Shape.ATTEMPTS: r"(?:[^ ,:][^ ,]*(?:(?:, | : )[^ ,:][^ ,]*)*)?",
    Shape.ADDRESSES: r"(?:[^ ,]+(?:, ?[^ ,]+)*)?",
    Shape.SECONDS: r"[0-9]{1,11}\.[0-9]{3}",
}
_FREE_TEXTS = (Shape.TEXT, Shape.TARGET, Shape.ARGUMENTS)
_NUMBERS = (Shape.INTEGER, Shape.COUNT, Shape.DECIMAL, Shape.SECONDS)
_QUOTED_AT_ONCE = r'([^"\\]*+(?:\\.[^"\\]*+)*+)'
_QUOTED = r'((?:[^"\\]|\\.)*)'
_MOST_PIECES = 200

LineReader = Callable[[str], Sequence[str] | None]


def line_reader(pieces: Sequence[Piece], writing: Writing) -> LineReader:
    """Return the function that splits a line of this format into texts, one a field; it returns None where the line does not match. Raises `FormatError`."""
    fields = [piece for piece in pieces if isinstance(piece, FieldPiece)]
    if not fields:
        raise FormatError("the format names no field")
    if len(pieces) > _MOST_PIECES:
        raise FormatError(f"the format has {len(pieces)} parts, at most {_MOST_PIECES} are read")
    for first, second in pairwise(pieces):
        if (
            isinstance(first, FieldPiece)
            and isinstance(second, FieldPiece)
            and _runs_together(first.shape, second.shape)
        ):
            raise FormatError(f"nothing stands between {first.name} and {second.name}, so a line cannot be split")
    around = zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False)
    pieces = [_with_shape_for_place(*each) for each in around]
    plain = [_shortest(piece, writing) for piece in pieces]
    one_pass = [_one_pass(pieces, place, writing) for place in range(len(pieces))]
    shortest = [
        _typed(piece.shape, writing) if isinstance(piece, FieldPiece) and piece.shape is Shape.ADDRESSES else way
        for piece, way in zip(pieces, plain, strict=True)
    ]
    for place in _quoted(pieces) if writing.escapes_quotes else ():
        one_pass[place], shortest[place] = _QUOTED_AT_ONCE, _QUOTED
    match_in_one_pass = re.compile("".join(one_pass), re.DOTALL).fullmatch
    ways = dict.fromkeys("".join(way) for way in (shortest, plain))
    match_shortest = [Pattern(f"(?s){way}").groups for way in ways]

    def read(line: str) -> Sequence[str] | None:
        if (found := match_in_one_pass(line)) is not None:
            return found.groups()
        content = line.encode()
        return next((texts for groups in match_shortest if (texts := groups(content)) is not None), None)

    return read


def _quoted(pieces: Sequence[Piece]) -> list[int]:
    """Return the places of the text fields that stand between double quotes."""
    return [
        place
        for place, (before, piece, behind) in enumerate(zip(pieces, pieces[1:], pieces[2:], strict=False), start=1)
        if isinstance(piece, FieldPiece)
        and piece.shape is Shape.TEXT
        and isinstance(before, str)
        and before.endswith('"')
        and isinstance(behind, str)
        and behind.startswith('"')
    ]


def _runs_together(first: Shape, second: Shape) -> bool:
    """Whether nothing shows where the first field ends and the second begins."""
    return first is Shape.ARGUMENTS or first is second or second not in (Shape.TARGET, Shape.ARGUMENTS)


def _with_shape_for_place(before: Piece, piece: Piece, behind: Piece) -> Piece:
    """Return the piece with the shape for its place. A target after literal text may be any text, `*` or nothing. Addresses are special only before a blank."""
    if isinstance(piece, FieldPiece) and (
        (piece.shape is Shape.TARGET and isinstance(before, str))
        or (piece.shape is Shape.ADDRESSES and not (isinstance(behind, str) and behind.startswith(" ")))
    ):
        return piece._replace(shape=Shape.TEXT)
    return piece


def _typed(shape: Shape, writing: Writing) -> str:
    return f"({_TYPED[shape]}|)" if writing.leaves_absent_empty and shape in _NUMBERS else f"({_TYPED[shape]})"


def _one_pass(pieces: Sequence[Piece], place: int, writing: Writing) -> str:
    piece = pieces[place]
    if isinstance(piece, str):
        return re.escape(piece)
    if piece.shape not in _FREE_TEXTS:
        return _typed(piece.shape, writing)
    ends = "".join(sorted(_beginnings(pieces, place + 1)))
    text = f"[^{re.escape(ends)}]*+" if ends else ".*+"
    if piece.shape is Shape.ARGUMENTS:
        return rf"((?:\?{text})?+)"
    return f"(/{text})" if piece.shape is Shape.TARGET else f"({text})"


def _beginnings(pieces: Sequence[Piece], place: int) -> set[str]:
    """Return the characters with which the rest of a line, from this piece on, may begin."""
    if place == len(pieces):
        return set()
    piece = pieces[place]
    if isinstance(piece, str):
        return {piece[0]}
    if piece.shape is Shape.TARGET:
        return {"/"}
    return {"?"} | _beginnings(pieces, place + 1)


def _shortest(piece: Piece, writing: Writing) -> str:
    if isinstance(piece, str):
        return re.escape(piece)
    if piece.shape is Shape.ARGUMENTS:
        return r"((?:\?.*?)?)"
    if piece.shape is Shape.TARGET:
        return "(/.*?)"
    return "(.*?)" if piece.shape in {Shape.TEXT, Shape.ADDRESSES} else _typed(piece.shape, writing)
