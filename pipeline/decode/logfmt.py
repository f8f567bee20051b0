r"""logfmt: `at=info method=GET path="/a b" cached`, one line an entry.

There is no standard. The decoder reads the lines of the Go libraries go-logfmt, logrus and log/slog. A key has no space, quote or `=`. A value is
plain, or in double quotes with the escapes of JSON or of Go. A key without a value is true. An unquoted value may hold `=`, as URLs do.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from pipeline.contracts.interfaces import Decoded, Decoder
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match, text_decoder

_NO_PAIRS = no_match("the line holds no key=value")
_BROKEN = no_match("the line is no logfmt: a quote is not closed, or stands within a value, or a key is missing")

# Possessive quantifiers: each pair matches in one way, so reading takes linear time.
_PAIR = re.compile(
    r'[\x00-\x20]*+([^\x00-\x20="]++)(?:=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\x00-\x20"]*+)))?(?=[\x00-\x20]|\Z)',
    re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:u([Dd][89ABab][0-9A-Fa-f]{2})\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))",
    re.DOTALL,
)
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MOST_ASCII = 0x7F


class LogfmtOptions(BaseModel):
    """Options of `format: logfmt`: none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def build_logfmt(_options: LogfmtOptions, _limits: DecodeLimits) -> Decoder:
    """Make the decoder. Values are text; of equal keys the last counts."""
    return text_decoder(_read)


def _read(text: str) -> Decoded:
    fields: dict[str, Any] = {}
    position, end, pairs = 0, len(text.rstrip("\t ")), 0
    while position < end:
        found = _PAIR.match(text, position)
        if found is None:
            return _BROKEN
        key, quoted, plain = found.groups()
        if quoted is not None:
            fields[key] = _unescaped(quoted) if "\\" in quoted else quoted
        else:
            fields[key] = True if plain is None else plain
        pairs += quoted is not None or plain is not None
        position = found.end()
    return fields if pairs else _NO_PAIRS


def _unescaped(text: str) -> str:
    """Return the text without its escapes: those of JSON or, where JSON does not know one, of Go (language specification, "String literals")."""
    try:
        plain: str = orjson.loads(f'"{text}"')
    except orjson.JSONDecodeError:
        return _ESCAPE.sub(_character, text)
    return plain


def _character(found: re.Match[str]) -> str:
    r"""Return the character of an escape. A byte that is not UTF-8 (`\xff`) and half a surrogate pair stay as written. An unknown escape loses its backslash."""
    high, low, byte, short, long, other = found.groups()
    if other is not None:
        return _SHORT.get(other, other)
    if byte is not None:
        return chr(int(byte, 16)) if int(byte, 16) <= _MOST_ASCII else found[0]
    try:
        if high is not None:
            return bytes.fromhex(high + low).decode("utf-16-be")
        return bytes.fromhex((long or short).rjust(8, "0")).decode("utf-32-be")
    except UnicodeDecodeError:
        return found[0]
