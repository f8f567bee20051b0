r"""logfmt: `at=info method=GET path="/a b" cached`, one line an entry.

There is no standard. Read is what the Go libraries write (go-logfmt, logrus): keys without spaces, quotes or `=`; values plain, or in double
quotes with JSON's escapes; a key alone is true. An unquoted value may hold `=`, as unquoted URLs do.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match, text_decoder
from pipeline.interfaces import Decoded, Decoder

_NO_PAIRS = no_match("the line holds no key=value")
_BROKEN = no_match("the line is no logfmt: a quote is not closed, or stands within a value, or a key is missing")

# Possessive: each pair is matched in one way, so reading is linear.
_PAIR = re.compile(
    r'[\x00-\x20]*+([^\x00-\x20="]++)(?:=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\x00-\x20"]*+)))?(?=[\x00-\x20]|\Z)',
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


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
    """Undo JSON's escapes; what JSON does not know is the character behind the backslash."""
    try:
        plain: str = orjson.loads(f'"{text}"')
    except orjson.JSONDecodeError:
        return _ESCAPE.sub(r"\1", text)
    return plain
