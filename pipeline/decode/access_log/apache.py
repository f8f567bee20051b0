"""Apache's `LogFormat`: text with %directives (Apache 2.4, mod_log_config and mod_logio).

Fields have the names of nginx's variables for the same values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.decode.access_log.line import FieldPiece, FormatError, Piece, Shape

COMMON = '%h %l %u %t "%r" %>s %b'
COMBINED = COMMON + ' "%{Referer}i" "%{User-Agent}i"'
VHOST_COMBINED = "%v:%p " + COMBINED
NAMED = {"common": COMMON, "combined": COMBINED, "vhost_combined": VHOST_COMBINED}
"""The nicknames that the configuration shipped with Apache defines."""

_DIRECTIVE = re.compile(r"""\s*(?:LogFormat|CustomLog\s+\S+)\s+"((?:[^"\\]|\\.)*)"(?:\s+\S+)*\s*""", re.DOTALL)
_PART = re.compile(r"%(?:!?[0-9,]+)?([<>]?)(?:\{([^}]*)\})?(?:[<>])?(\^t[io]|[A-Za-z%])|([^%]+)|(%)")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}

_PLAIN = {
    "h": FieldPiece("remote_addr"),
    "a": FieldPiece("remote_addr"),
    "A": FieldPiece("server_addr"),
    "B": FieldPiece("body_bytes_sent", Shape.INTEGER),
    "b": FieldPiece("body_bytes_sent", Shape.COUNT),
    "D": FieldPiece("request_time_us", Shape.INTEGER),
    "f": FieldPiece("request_filename"),
    "H": FieldPiece("server_protocol"),
    "I": FieldPiece("request_length", Shape.INTEGER),
    "k": FieldPiece("connection_requests", Shape.INTEGER),
    "l": FieldPiece("remote_logname"),
    "L": FieldPiece("log_id"),
    "m": FieldPiece("request_method"),
    "O": FieldPiece("bytes_sent", Shape.INTEGER),
    "p": FieldPiece("server_port", Shape.INTEGER),
    "P": FieldPiece("pid", Shape.INTEGER),
    "q": FieldPiece("args", Shape.ARGUMENTS),
    "r": FieldPiece("request"),
    "R": FieldPiece("handler"),
    "s": FieldPiece("status", Shape.INTEGER),
    "S": FieldPiece("bytes_transferred", Shape.INTEGER),
    "T": FieldPiece("request_time", Shape.DECIMAL),
    "u": FieldPiece("remote_user"),
    "U": FieldPiece("uri", Shape.TARGET),
    "v": FieldPiece("server_name"),
    "V": FieldPiece("host"),
    "X": FieldPiece("connection_status"),
}
_NAMED_PREFIX = {"i": "http_", "o": "sent_http_", "C": "cookie_", "e": "env_", "n": "note_", "x": ""}
_WITH_ARGUMENT = {
    ("c", "a"): FieldPiece("realip_remote_addr"),
    ("canonical", "p"): FieldPiece("server_port", Shape.INTEGER),
    ("local", "p"): FieldPiece("server_port", Shape.INTEGER),
    ("remote", "p"): FieldPiece("remote_port", Shape.INTEGER),
    ("pid", "P"): FieldPiece("pid", Shape.INTEGER),
    ("tid", "P"): FieldPiece("thread_id", Shape.INTEGER),
    ("hextid", "P"): FieldPiece("thread_id"),
    ("c", "h"): FieldPiece("realip_remote_addr"),
    ("c", "L"): FieldPiece("connection_log_id"),
    ("s", "T"): FieldPiece("request_time", Shape.DECIMAL),
    ("ms", "T"): FieldPiece("request_time_ms", Shape.INTEGER),
    ("us", "T"): FieldPiece("request_time_us", Shape.INTEGER),
    ("sec", "t"): FieldPiece("time_sec", Shape.INTEGER),
    ("msec", "t"): FieldPiece("time_ms", Shape.INTEGER),
    ("usec", "t"): FieldPiece("time_us", Shape.INTEGER),
    ("msec_frac", "t"): FieldPiece("time_msec_frac", Shape.INTEGER),
    ("usec_frac", "t"): FieldPiece("time_usec_frac", Shape.INTEGER),
}


def apache_directive(text: str) -> str:
    """Return the format string of a nickname, of a format string alone, or of a whole LogFormat or CustomLog line."""
    whole = _DIRECTIVE.fullmatch(text)
    return re.sub(r'\\"', '"', whole[1]) if whole is not None else NAMED.get(text, text)


def apache_pieces(text: str) -> Sequence[Piece]:
    """Return the pieces of a format string. Raises `FormatError`."""
    pieces: list[Piece] = []
    for found in _PART.finditer(text):
        _, argument, letter, literal, percent = found.groups()
        if percent:
            raise FormatError(f"the % at character {found.start() + 1} of log_format begins no directive")
        if literal:
            _append(pieces, re.sub(r'\\(["\\ntr])', lambda escape: _ESCAPES[escape[1]], literal))
        elif letter == "%":
            _append(pieces, "%")
        elif letter == "t" and not argument:
            _append(pieces, "[")
            pieces.append(FieldPiece("time_local", Shape.TIME_LOCAL))
            _append(pieces, "]")
        else:
            pieces.append(_field(letter, argument))
    return pieces


def _append(pieces: list[Piece], literal: str) -> None:
    """Add literal text. Two literal texts in a row become one piece."""
    if pieces and isinstance(pieces[-1], str):
        pieces[-1] += literal
    else:
        pieces.append(literal)


def _field(letter: str, argument: str | None) -> FieldPiece:
    if argument is not None and letter == "t":
        argument = argument.removeprefix("begin:").removeprefix("end:")
    if argument is None or (argument, letter) in _WITH_ARGUMENT:
        piece = _PLAIN.get(letter) if argument is None else _WITH_ARGUMENT[argument, letter]
    elif letter in _NAMED_PREFIX:
        name = argument.lower().replace("-", "_") if letter in "iox" else argument
        name = _NAMED_PREFIX[letter] + name
        piece = FieldPiece(name, Shape.ADDRESSES if name == "http_x_forwarded_for" else Shape.TEXT)
    else:
        piece = FieldPiece("time") if letter == "t" else None
    if piece is None:
        shown = f"%{letter}" if argument is None else f"%{{{argument}}}{letter}"
        raise FormatError(f"log_format holds {shown}, which is no directive of mod_log_config or mod_logio")
    return piece
