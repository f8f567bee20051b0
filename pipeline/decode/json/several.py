"""Several JSON objects in one record: the elements of an array, or one after the other, on lines of their own or not."""

from __future__ import annotations

import json
import re
from typing import Any

from pipeline.contracts.interfaces import Decoded, Decoder, Fields
from pipeline.decode.entries import gathered
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.nesting import depth_of
from schemas.refusal import ReasonCode, Refusal, Stage

BOM = b"\xef\xbb\xbf"

NOT_AN_OBJECT = Refusal(
    Stage.DECODE, ReasonCode.NOT_AN_OBJECT, "the value is JSON, but neither an object nor an array of objects"
)

_WHITESPACE = re.compile("[ \\t\\r\\n\ufeff]*")  # with byte order marks, which stand between concatenated files
_LINE_OF_AN_OBJECT = re.compile(rb"\n[ \t]*+\{")


class SeveralObjects:
    """Reads records that hold several objects. Each is an entry. A broken object is refused alone, where it is sure where the next object begins."""

    def __init__(self, limits: DecodeLimits, alone: Decoder) -> None:
        """`alone` decodes one JSON text, and refuses several."""
        self._limits = limits
        self._alone = alone
        self._ends = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode

    def read(self, value: bytes) -> Decoded | None:
        """Return the entries of consecutive objects; None where the text is not a sequence of objects."""
        text = value.removeprefix(BOM).strip()
        if not text.startswith(b"{") or text.find(b"{", 1) < 0:
            return None
        if _LINE_OF_AN_OBJECT.search(text):
            most = 2 * self._limits.entries  # every second line may be blank
            lines = text.split(b"\n", most)
            pieces = [line.strip() for line in lines if line and not line.isspace()]
            if all(piece.startswith(b"{") for piece in pieces):
                return (
                    self._limits.too_many_entries
                    if len(lines) > most
                    else gathered(map(self._line, pieces), self._limits)
                )
        return self._one_after_the_other(text)

    def _line(self, line: bytes) -> Decoded:
        answer = self._alone(line)
        return (self._one_after_the_other(line) or answer) if isinstance(answer, Refusal) else answer

    def _one_after_the_other(self, text: bytes) -> Decoded | None:
        """Find the end of each object. The text after a broken object belongs to that object: nobody knows where the next one begins."""
        if depth_of(text) > self._limits.depth:
            return None
        try:
            characters = text.decode()
        except UnicodeDecodeError:
            return None
        pieces: list[bytes] = []
        position = 0
        while position < len(characters) and len(pieces) <= self._limits.entries:
            try:
                _, end = self._ends(characters, position)
            except ValueError:
                end = len(characters)
            if not pieces and end == len(characters):
                return None  # one broken object
            pieces.append(characters[position:end].encode())
            position = _WHITESPACE.match(characters, end).end()  # type: ignore[union-attr]  # it also matches an empty text
        return gathered(map(self._alone, pieces), self._limits)


def objects_of(decoded: Any, limits: DecodeLimits) -> Decoded:
    """Return the objects of an array as entries; anything else as it is."""
    if type(decoded) is not list:
        return decoded  # type: ignore[no-any-return]  # an object or a refusal
    if len(decoded) > limits.entries:
        return limits.too_many_entries
    entries: list[Fields | Refusal] = [each if type(each) is dict else NOT_AN_OBJECT for each in decoded]
    return entries if any(type(each) is dict for each in entries) or not entries else NOT_AN_OBJECT
