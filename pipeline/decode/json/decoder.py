"""JSON: one object a record, or several objects: an array of them, or one after the other, on lines of their own or not.

orjson reads the records. It turns integers beyond 64 bits, and decimals of more than 15 to 17 significant digits, into the
nearest double. An order number must not be rounded, so a record with such a number is read again with the standard
library's parser, which gives exact numbers: `int`, and `decimal.Decimal` where a double's shortest form is not the number
as written. Every other decimal is a `float`, whose shortest form (`repr`) is the number as written, except for trailing zeros.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, NoReturn

import orjson
from pydantic import BaseModel, ConfigDict

from pipeline.contracts.interfaces import Decoded, Decoder
from pipeline.decode.chain import FieldStep
from pipeline.decode.json.several import BOM, NOT_AN_OBJECT, SeveralObjects, objects_of
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.nesting import depth_of, is_deeper, opening_brackets
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.values.numbers import float_or_exact

_NOT_UTF8 = Refusal(Stage.DECODE, ReasonCode.NOT_UTF8, "the value is not UTF-8 text")

# A number that orjson may round is written with a point and at least 16 digits, or with at least 16 digits and an
# exponent, or with at least 19 digits. So it holds 16 digits or points in a row. A sample of every fourth character of
# the text then holds four digits or points in a row.
_STRIDE = 4
_SAMPLE = b"0" * (16 // _STRIDE)
_SAMPLED = bytes(48 if byte in b"0123456789." else 120 for byte in range(256))
# In an object a number follows one of the characters in `_BEFORE`, or its own minus sign. With its point or "e" it has at
# least 17 characters.
_BEFORE, _WITHIN = b":,[- \t\r\n", b"0123456789.eE"
_MARKED = bytes(58 if byte in _BEFORE else 48 if byte in _WITHIN else 120 for byte in range(256))
_LONG_RUN = 17
_LONG_NUMBER = b":" + b"0" * _LONG_RUN
_MOST_EXACT_DIGITS = 19  # unsigned: below 2**64; signed ones of this length may lie below -2**63

# Possessive, with an optional closing quote: each search begins where the last one ended, so the text takes one pass without back-tracking.
_STRING_OR_NUMBER = re.compile(
    rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"?)|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?', re.DOTALL
)
# orjson refuses a number beyond the largest double, which JSON allows. This pattern finds every text with such a number.
_BEYOND_DOUBLE = re.compile(rb"[0-9]{300}|[0-9.][eE]\+?[0-9]{2}")


class JsonOptions(BaseModel):
    """Options of `format: json`: none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _NumberTooLongError(Exception):
    """Ends a parse by the standard library's parser. This module catches it."""


def build_json(_options: JsonOptions, limits: DecodeLimits) -> Decoder:
    """Make the decoder. Of equal keys the last counts. NaN and Infinity are refused. A byte order mark is skipped."""
    exact = _ExactReader(limits)
    return _reader(limits, exact, SeveralObjects(limits, _reader(limits, exact, lambda _: None)).read)


def read_json(_options: JsonOptions, _limits: DecodeLimits) -> FieldStep:
    """Return the function that reads an object which is decoded already: it returns the object itself."""
    return lambda fields: fields


def _reader(limits: DecodeLimits, exact: _ExactReader, several: Callable[[bytes], Decoded | None]) -> Decoder:
    """Return the decoder of one JSON text. It calls `several` for a text that is not one; `several` returns None where the text is not several either."""
    loads = orjson.loads
    most_depth = limits.depth

    def decode(value: bytes) -> Decoded:
        try:
            fields = loads(value)
        except orjson.JSONDecodeError as error:
            read = several(value)
            return objects_of(exact.read_or_explain(value, error), limits) if read is None else read
        if type(fields) is not dict and type(fields) is not list:
            return NOT_AN_OBJECT
        if value[::_STRIDE].translate(_SAMPLED).find(_SAMPLE) >= 0 and _may_be_rounded(value):
            fields = exact.read(value, fields)
        elif opening_brackets(value) > most_depth and is_deeper(fields, most_depth):
            return exact.too_deep
        return fields if type(fields) is dict else objects_of(fields, limits)

    return decode


class _ExactReader:
    """The slow way, for records with long numbers and for records that orjson refuses."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._depth = limits.depth
        self._digits = limits.digits
        self.too_deep = limits.too_deep("the value")
        self._too_long = limits.too_long("a number")
        self._exactly = json.JSONDecoder(
            parse_int=self._integer, parse_float=self._decimal, parse_constant=_refuse_constant
        ).decode

    def read(self, value: bytes, rounded: Any) -> Any:
        """Return the object or array of a text with exact numbers, or a refusal. orjson has read the text as `rounded`, so it is JSON in UTF-8."""
        if type(rounded) is not dict and type(rounded) is not list:
            return NOT_AN_OBJECT
        if is_deeper(rounded, self._depth):
            return self.too_deep
        try:
            return self._exactly(value.decode())
        except _NumberTooLongError:
            return self._too_long

    def read_or_explain(self, value: bytes, error: orjson.JSONDecodeError) -> Any:
        """Read a text that orjson refuses although it is JSON (a byte order mark, a number beyond a double), or return the reason of the refusal."""
        text = value.removeprefix(BOM)
        try:
            text.decode()
        except UnicodeDecodeError:
            return _NOT_UTF8
        if opening_brackets(text) > self._depth and depth_of(text) > self._depth:
            return self.too_deep
        beyond = _BEYOND_DOUBLE.search(text) is not None
        if beyond or text is not value:
            try:
                rounded = orjson.loads(_STRING_OR_NUMBER.sub(_shorten, text) if beyond else text)
                return self.read(text, rounded)
            except ValueError as second:
                error = second if isinstance(second, orjson.JSONDecodeError) else error
        return Refusal(
            Stage.DECODE, ReasonCode.NOT_JSON, f"the value is no JSON text: {error.msg} (character {error.pos})"
        )

    def _integer(self, text: str) -> int:
        if len(text) - text.startswith("-") > self._digits:
            raise _NumberTooLongError
        return int(text)

    def _decimal(self, text: str) -> float | Decimal:
        """Return a double where it is the number as written, as orjson does; otherwise return the exact number."""
        near = float(text)
        if len(text) < _LONG_RUN and isfinite(near):
            return near
        try:
            exact = Decimal(text)
        except InvalidOperation:  # the exponent itself is beyond what Decimal holds
            raise _NumberTooLongError from None
        written = max(len(exact.as_tuple().digits), abs(exact.adjusted()) + 1)
        if written > self._digits:
            raise _NumberTooLongError
        return float_or_exact(exact)


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError  # NaN or Infinity, which orjson refused earlier


def _shorten(found: re.Match[bytes]) -> bytes:
    """Return 0 in place of a number, so that orjson checks the rest of the text."""
    return found[1] or b"0"


def _may_be_rounded(value: bytes) -> bool:
    """Whether orjson may have rounded a number of the text. Digits in a string can make it true: that costs time, and the result is the same."""
    marks = value.translate(_MARKED)
    place = marks.find(_LONG_NUMBER)
    while place >= 0:
        window = marks[place + 1 : place + 2 + _MOST_EXACT_DIGITS]
        length = len(window) - len(window.lstrip(b"0"))
        number = value[place + 1 : place + 1 + length]
        negative = value[place : place + 1] == b"-"
        is_number = not negative or marks[place - 1 : place] == b":"  # otherwise the minus is a dash within a text
        if is_number and (not number.isdigit() or length + negative > _MOST_EXACT_DIGITS):
            return True
        place = marks.find(_LONG_NUMBER, place + 1 + length)
    return False
