"""Pairs of key and value with separators of the source's own: `uid:7|act:pay|amt:12.50`."""

from __future__ import annotations

import re
from itertools import permutations
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.contracts.interfaces import Decoded, Decoder
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match, text_decoder

_NO_PAIRS = no_match("the text holds no pair of key and value, separated as decode.key_separator says")
_BROKEN = no_match("a quoted value of the text is not closed, or text follows its closing quote")

_MOST_SEPARATOR = 20
_Separator = Annotated[str, Field(min_length=1, max_length=_MOST_SEPARATOR)]


class KeyValueOptions(BaseModel):
    """Options of `format: key_value`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair_separator: _Separator = Field(
        default=" ", description="The text between pairs, of at most 20 characters. Of spaces there may be several."
    )
    key_separator: _Separator = Field(default="=", description="The text between a key and its value.")
    quote: str = Field(
        default='"',
        max_length=1,
        description="The character around values that contain a separator; "
        "within such a value a backslash stands before it. An empty text means that there is none.",
    )

    @model_validator(mode="after")
    def _separators_differ(self) -> Self:
        marks = [self.pair_separator, self.key_separator, *([self.quote] if self.quote else [])]
        if any(one in other for one, other in permutations(marks, 2)):
            raise ValueError(
                "separators that cannot be told apart; expected none to be part of another or of the quote"
            )
        return self


def build_key_value(options: KeyValueOptions, _limits: DecodeLimits) -> Decoder:
    """Make the decoder. Values are text, without spaces around them. Of equal keys the last counts. A key without a separator is true."""
    pairs, keys, quote = options.pair_separator, options.key_separator, options.quote

    def read(text: str) -> Decoded:
        parts = text.split(pairs) if not quote or quote not in text else _split(text, pairs, keys, quote)
        if parts is None:
            return _BROKEN
        fields: dict[str, Any] = {}
        found = False
        for part in parts:
            key, separator, value = part.partition(keys)
            if key := key.strip():
                value = value.strip()
                if quote and value.startswith(quote):
                    value = value[1:-1].replace("\\" + quote, quote)
                fields[key] = value if separator else True
                found = found or bool(separator)
        return fields if found else _NO_PAIRS

    return text_decoder(read)


def _split(text: str, pairs: str, keys: str, quote: str) -> list[str] | None:
    """Return the pairs, split at each separator outside quotes. Quotes enclose whole values: return None where a quote is not closed or text follows it."""
    parts, begun, position = [], 0, 0
    closing = re.compile(rf"(?<!\\){re.escape(quote)}")
    behind = re.compile(rf"[ \t]*(?={re.escape(pairs)}|\Z)")
    opening = re.compile(rf"{re.escape(keys)}[ \t]*+{re.escape(quote)}|{re.escape(pairs)}")
    while (found := opening.search(text, position)) is not None:
        if found[0] == pairs:
            parts.append(text[begun : found.start()])
            begun = position = found.end()
            continue
        closed = closing.search(text, found.end())
        ended = None if closed is None else behind.match(text, closed.end())
        if ended is None:
            return None
        position = ended.end()
    parts.append(text[begun:])
    return parts
