"""What an access log's format string says a line looks like, and the reading of one line by it.

A format is a list of pieces: literal text, and fields between. Web servers escape the quote inside quoted values but
nothing else, so a value may hold the text that separates it from the next one (a user name with a space). Lines are
therefore read in two ways that agree wherever the first one succeeds: a pattern in which a free text ends at the first
character of what follows (possessive, so one pass and no back-tracking), and, for the rare rest, RE2 with the shortest
texts that fit.

Where the server writes a backslash before a quote, that quote ends no value: else a visitor could end one with a quote of
his own and write the fields behind it. Likewise the blank behind a comma ends no list of addresses. Only a line that
cannot be read so is read without heed of either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from transforms.values.pattern import Pattern


class FormatError(ValueError):
    """A log format cannot be read, or lines written by it cannot be taken apart."""


class Shape(StrEnum):
    """What the value of a field looks like."""

    TEXT = "text"
    TARGET = "target"  # the path of a URL; it begins with a slash where it follows another field
    ARGUMENTS = "arguments"  # empty, or a question mark and what follows it
    INTEGER = "integer"
    COUNT = "count"  # an integer, of which "-" is 0 (Apache's %b)
    DECIMAL = "decimal"
    TIME_LOCAL = "time_local"
    TIME_ISO8601 = "time_iso8601"
    ATTEMPTS = "attempts"  # one value for each server that was asked (nginx's $upstream_addr and the like)
    ADDRESSES = "addresses"  # text that mostly is addresses with a comma and a blank between (X-Forwarded-For)
    SECONDS = "seconds"  # Unix seconds with three decimals (nginx's $msec)


class FieldPiece(NamedTuple):
    """One field of a format."""

    name: str
    shape: Shape = Shape.TEXT


Piece = str | FieldPiece


class Writing(NamedTuple):
    """How the server writes values. Apache and nginx's default have a dash where there is none."""

    escapes_quotes: bool = True  # with a backslash before them
    leaves_absent_empty: bool = False  # instead of a dash (nginx's escape=json and escape=none)


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
_OPEN = (Shape.TEXT, Shape.TARGET, Shape.ARGUMENTS)
_NUMBERS = (Shape.INTEGER, Shape.COUNT, Shape.DECIMAL, Shape.SECONDS)
_QUOTED_AT_ONCE = r'([^"\\]*+(?:\\.[^"\\]*+)*+)'
_QUOTED = r'((?:[^"\\]|\\.)*)'
_MOST_PIECES = 200

LineReader = Callable[[str], Sequence[str] | None]


def line_reader(pieces: Sequence[Piece], writing: Writing) -> LineReader:
    """Compile a format: the result takes a line apart, one text a field, or answers None. Raises `FormatError`."""
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
            raise FormatError(f"nothing stands between {first.name} and {second.name}, so a line cannot be taken apart")
    around = zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False)
    pieces = [_where_it_stands(*each) for each in around]
    plain = [_shortest(piece, writing) for piece in pieces]
    one_pass = [_one_pass(pieces, place, writing) for place in range(len(pieces))]
    shortest = [
        _typed(piece.shape, writing) if isinstance(piece, FieldPiece) and piece.shape is Shape.ADDRESSES else way
        for piece, way in zip(pieces, plain, strict=True)
    ]
    for place in _quoted(pieces) if writing.escapes_quotes else ():
        one_pass[place], shortest[place] = _QUOTED_AT_ONCE, _QUOTED
    quickly = re.compile("".join(one_pass), re.DOTALL).fullmatch
    ways = dict.fromkeys("".join(way) for way in (shortest, plain))
    thoroughly = [Pattern(f"(?s){way}").groups for way in ways]

    def read(line: str) -> Sequence[str] | None:
        if (found := quickly(line)) is not None:
            return found.groups()
        content = line.encode()
        return next((texts for groups in thoroughly if (texts := groups(content)) is not None), None)

    return read


def _quoted(pieces: Sequence[Piece]) -> list[int]:
    """Find the texts that stand between double quotes."""
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
    """Whether the end of the first field cannot be told from the beginning of the second."""
    return first is Shape.ARGUMENTS or first is second or second not in (Shape.TARGET, Shape.ARGUMENTS)


def _where_it_stands(before: Piece, piece: Piece, behind: Piece) -> Piece:
    """A target after literal text may be anything: `*`, or nothing at all. Addresses are told from what follows only where a blank would not do."""
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
    if piece.shape not in _OPEN:
        return _typed(piece.shape, writing)
    ends = "".join(sorted(_beginnings(pieces, place + 1)))
    text = f"[^{re.escape(ends)}]*+" if ends else ".*+"
    if piece.shape is Shape.ARGUMENTS:
        return rf"((?:\?{text})?+)"
    return f"(/{text})" if piece.shape is Shape.TARGET else f"({text})"


def _beginnings(pieces: Sequence[Piece], place: int) -> set[str]:
    """The characters that the rest of a line, from a piece on, may begin with."""
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
