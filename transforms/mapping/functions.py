"""The functions of the mapping: one visible table. Each takes a value and literal arguments; `docs/mapping.md` has an example of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from schemas.attribute import attribute_string
from transforms.fault import BadExpression
from transforms.fields import Inconvertible
from transforms.times import epoch_ms, format_reader, iso_reader

Step = Callable[[Any], Any]
"""One function with its arguments: a value in, a value out. Raises `Inconvertible`."""

Literal = str | int | Decimal | bool | None
Tables = Mapping[str, Mapping[str, Any]]

MOST_CHARACTERS = 1 << 20
MOST_PARAMETERS = 200
MOST_NUMBER_CHARACTERS = 1_000


class Function(NamedTuple):
    """One row: what compiles it from its arguments, the types of those (a trailing `?` is optional), whether it wants a null value too."""

    build: Callable[..., Step]
    arguments: tuple[str, ...]
    does: str
    takes_null: bool = False


def text_of(value: Any) -> str:
    """Return the text that stands for a value, by the rule of attributes."""
    text = attribute_string(value)
    if text is None:
        raise Inconvertible("there is no text for the value")
    return text


def number_of(value: Any) -> Decimal:
    """Return a value as an exact number. Thousands separators and a currency sign around it are no part of a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise Inconvertible("the value is no number")
    text = str(value) if not isinstance(value, float) else repr(value)
    if len(text) > MOST_NUMBER_CHARACTERS:
        raise Inconvertible("the number has too many digits")
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise Inconvertible("the value is no number") from None
    if not number.is_finite() or abs(number.adjusted()) > MOST_NUMBER_CHARACTERS:
        raise Inconvertible("the value is no number")
    return number


def _on_text(change: Callable[[str], Any]) -> Step:
    return lambda value: change(value if value.__class__ is str else text_of(value))


def _time(pattern: str, zone_name: str = "Asia/Shanghai") -> Step:
    if pattern == "iso":
        return iso_reader(zone_name)
    if pattern == "epoch":
        return epoch_ms
    return format_reader(pattern, zone_name)


def _truncate(most: int) -> Step:
    if most < 1:
        raise BadExpression(f"truncate({most})", "a number of characters from 1")
    return _on_text(lambda text: text[:most])


def _split(separator: str, index: int) -> Step:
    if not separator:
        raise BadExpression("an empty separator", "one such as ','")

    def step(value: Any) -> Any:
        parts = text_of(value).split(separator)
        return parts[index] if -len(parts) <= index < len(parts) else None

    return step


def _join(separator: str) -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, list):
            raise Inconvertible("the value is no list")
        return separator.join(text_of(each) for each in value if each is not None)

    return step


def _exact(change: Callable[[Decimal], Decimal]) -> Step:
    def step(value: Any) -> Any:
        number = change(number_of(value))
        return int(number) if number == number.to_integral_value() else number

    return step


def _multiply(factor: int | Decimal) -> Step:
    return _exact(lambda number: number * Decimal(factor))


def _divide(divisor: int | Decimal) -> Step:
    if not divisor:
        raise BadExpression("division by 0", "another divisor")
    return _exact(lambda number: number / Decimal(divisor))


def _round(places: int = 0) -> Step:
    if not 0 <= places <= 30:  # noqa: PLR2004 - more than any currency
        raise BadExpression(f"round({places})", "a number of places from 0 to 30")
    unit = Decimal(1).scaleb(-places)

    def step(value: Any) -> Any:
        try:
            return number_of(value).quantize(unit, rounding=ROUND_HALF_UP)
        except InvalidOperation:
            raise Inconvertible("the number has too many digits to be rounded") from None

    return step


def _integer() -> Step:
    def step(value: Any) -> Any:
        number = number_of(value)
        if number != number.to_integral_value():
            raise Inconvertible("the value is no whole number")
        return int(number)

    return step


def _lookup(table: Mapping[str, Any], otherwise: Literal = None) -> Step:
    return lambda value: table.get(text_of(value), otherwise)


def _hashed(algorithm: str) -> Step:
    return _on_text(
        lambda text: hashlib.new(algorithm, text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    )


def _first() -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, list):
            raise Inconvertible("the value is no list")
        return value[0] if value else None

    return step


def _length() -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, str | list | dict):
            raise Inconvertible("the value has no length")
        return len(value)

    return step


def _query(name: str) -> Step:
    def step(value: Any) -> Any:
        try:
            pairs = parse_qsl(
                urlsplit(text_of(value)[:MOST_CHARACTERS]).query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS
            )
        except ValueError:
            raise Inconvertible("the value is no URL, or has too many parameters") from None
        return next((content for key, content in pairs if key == name), None)

    return step


def _default(otherwise: Literal) -> Step:
    return lambda value: otherwise if value is None or value == "" else value


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "time": Function(
            _time,
            ("text", "text?"),
            "read a time: a strptime format, 'iso' or 'epoch', and the zone where the text has none",
        ),
        "default": Function(_default, ("any",), "another value where there is none, or an empty text", takes_null=True),
        "trim": Function(lambda: _on_text(str.strip), (), "remove white space at both ends"),
        "lower": Function(lambda: _on_text(str.lower), (), "lower case"),
        "upper": Function(lambda: _on_text(str.upper), (), "upper case"),
        "truncate": Function(_truncate, ("integer",), "keep the first characters (characters, not bytes)"),
        "replace": Function(
            lambda old, new: _on_text(lambda text: text.replace(old, new)),
            ("text", "text"),
            "replace a text by another, everywhere",
        ),
        "split": Function(
            _split,
            ("text", "integer"),
            "split at a separator and keep the part of that number, from 0; negative from the end",
        ),
        "join": Function(_join, ("text",), "join a list to a text"),
        "prefix": Function(lambda before: _on_text(lambda text: before + text), ("text",), "put a text before"),
        "suffix": Function(lambda after: _on_text(lambda text: text + after), ("text",), "put a text after"),
        "string": Function(lambda: _on_text(lambda text: text), (), "the text that an attribute would have"),
        "number": Function(lambda: _exact(lambda number: number), (), "read a number, exactly"),
        "integer": Function(_integer, (), "read a whole number"),
        "round": Function(_round, ("integer?",), "round half up to so many decimal places"),
        "multiply": Function(_multiply, ("number",), "multiply, exactly"),
        "divide": Function(_divide, ("number",), "divide; cents to yuan is divide(100)"),
        "lookup": Function(
            _lookup,
            ("table", "any?"),
            "look the value up in a table of `tables:`; the second argument where it is not there",
        ),
        "hash": Function(lambda: _hashed("sha256"), (), "SHA-256, in hex"),
        "md5": Function(lambda: _hashed("md5"), (), "MD5, in hex"),
        "first": Function(_first, (), "the first of a list"),
        "length": Function(_length, (), "how many characters, elements or fields"),
        "url_decode": Function(lambda: _on_text(unquote_plus), (), "decode %XX and +"),
        "query": Function(_query, ("text",), "one parameter of a URL's query string"),
    }
)
"""Every function there is."""
