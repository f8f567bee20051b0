"""The functions of the mapping, in one table. Each takes a value and literal arguments; `docs/mapping.md` has an example of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from schemas.customer import IdMapping
from schemas.identity import normalise
from transforms.fault import BadExpression, nearest
from transforms.mapping.text_functions import (
    MOST_CHARACTERS,
    BoundFunction,
    extract,
    hmac_hex,
    md5_hex,
    on_text,
    query,
    replace,
    sha256_hex,
    split,
    truncate,
)
from transforms.values.numbers import (
    added,
    divided,
    fixed,
    magnitude,
    multiplied,
    number_of,
    plain,
    rounded,
    total,
    whole,
)
from transforms.values.text import Inconvertible, text_of, text_or_none
from transforms.values.time_formats import format_reader
from transforms.values.times import EPOCHS, iso_reader, zone

Literal = str | int | Decimal | bool | None

MOST_PLACES = 30


class Function(NamedTuple):
    """One function: `build` compiles it from its arguments, `arguments` are their types. An argument with a trailing `?` is optional.

    `does` is its purpose. `takes_null`: the function is called for null too. `takes_zone`: `build` gets the zone of times that name none.
    """

    build: Callable[..., BoundFunction]
    arguments: tuple[str, ...]
    does: str
    takes_null: bool = False
    takes_zone: bool = False


def _time(pattern: str, zone_name: str | None = None, *, without_zone: str) -> BoundFunction:
    if pattern in EPOCHS:
        if zone_name is not None:
            raise BadExpression(f"time('{pattern}') with a zone", "none: a time since 1970 is the same everywhere")
        return EPOCHS[pattern]
    where = without_zone if zone_name is None else zone_name
    zone(where)
    if pattern == "iso":
        return iso_reader(where)
    if "%" not in pattern:
        names = ", ".join(f"'{name}'" for name in ("iso", *EPOCHS))
        raise BadExpression(
            f"time({pattern!r}), which is no format", f"{names}, or a format such as '%Y-%m-%d %H:%M:%S'"
        )
    return format_reader(pattern, where)


def _join(separator: str) -> BoundFunction:
    def step(value: Any) -> Any:
        if not isinstance(value, list):
            raise Inconvertible("the value is no list")
        texts = [text_of(each) for each in value if each is not None]
        if len(texts) * len(separator) > MOST_CHARACTERS:
            raise Inconvertible("the text would become too long")
        return separator.join(texts)

    return step


def _divide(divisor: int | Decimal) -> BoundFunction:
    if not divisor:
        raise BadExpression("division by 0", "another divisor")
    return divided(divisor)


def _lookup(table: Mapping[str, Any], otherwise: Literal = None) -> BoundFunction:
    return lambda value: table.get(value if value.__class__ is str else text_of(value), otherwise)


def _identity(kind: str) -> BoundFunction:
    kinds = {each.value: each for each in IdMapping}
    if kind not in kinds:
        raise BadExpression(f"identity({kind!r})", nearest(kind, kinds, f"one of {', '.join(kinds)}"))
    return on_text(partial(normalise, kinds[kind]))


def _of_list(take: Callable[[list[Any]], Any]) -> BoundFunction:
    """Return a function of lists; an empty list has no value."""

    def step(value: Any) -> Any:
        if not isinstance(value, list):
            raise Inconvertible("the value is no list")
        return take(value) if value else None

    return step


def _unique(values: list[Any]) -> list[Any]:
    """Return the values without repetitions: of several with the same text the first."""
    found: dict[str | None, Any] = {}
    for each in values:
        found.setdefault(text_or_none(each), each)
    return list(found.values())


def _places(name: str, build: Callable[[int], BoundFunction]) -> Callable[[int], BoundFunction]:
    def build_checked(places: int = 0) -> BoundFunction:
        if not 0 <= places <= MOST_PLACES:
            raise BadExpression(f"{name}({places})", f"a number of places from 0 to {MOST_PLACES}")
        return build(places)

    return build_checked


def _length() -> BoundFunction:
    def step(value: Any) -> Any:
        if not isinstance(value, str | list | Mapping):
            raise Inconvertible("the value has no length")
        return len(value)

    return step


def _default(otherwise: Literal) -> BoundFunction:
    return lambda value: otherwise if value is None or value == "" else value


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "time": Function(
            _time,
            ("text", "text?"),
            "read a time: a strptime format, 'iso', 'epoch', 'epoch_s', 'epoch_ms', 'epoch_us' or 'epoch_ns', and the zone where the text has none",
            takes_zone=True,
        ),
        "default": Function(
            _default, ("any",), "another value where there is no value, or an empty text", takes_null=True
        ),
        "trim": Function(lambda: on_text(str.strip), (), "remove white space at both ends"),
        "lower": Function(lambda: on_text(str.lower), (), "lower case"),
        "upper": Function(lambda: on_text(str.upper), (), "upper case"),
        "truncate": Function(truncate, ("integer",), "keep the first characters (as a reader sees them, not bytes)"),
        "replace": Function(replace, ("text", "text"), "replace a text by another, everywhere"),
        "split": Function(
            split,
            ("text", "integer"),
            "split at a separator and keep the part of that number, from 0; negative from the end",
        ),
        "join": Function(_join, ("text",), "join a list to a text"),
        "prefix": Function(lambda before: on_text(lambda text: before + text), ("text",), "put a text before"),
        "suffix": Function(lambda after: on_text(lambda text: text + after), ("text",), "put a text after"),
        "string": Function(lambda: on_text(lambda text: text), (), "the text that an attribute would have"),
        "number": Function(lambda: lambda value: plain(number_of(value)), (), "read a number, exactly"),
        "integer": Function(lambda: whole, (), "read a whole number"),
        "round": Function(_places("round", rounded), ("integer?",), "round half up to so many decimal places"),
        "fixed": Function(
            _places("fixed", fixed), ("integer",), "write with exactly so many decimal places, rounded half up"
        ),
        "abs": Function(lambda: magnitude, (), "without its sign"),
        "add": Function(added, ("number",), "add, exactly; subtract with a negative number"),
        "multiply": Function(multiplied, ("number",), "multiply, exactly"),
        "divide": Function(_divide, ("number",), "divide; cents to yuan is divide(100)"),
        "lookup": Function(
            _lookup,
            ("table", "any?"),
            "look the value up in a table of `tables:`; the second argument where it is not there",
        ),
        "hash": Function(lambda: on_text(sha256_hex), (), "SHA-256, in hex"),
        "sha256": Function(lambda: on_text(sha256_hex), (), "SHA-256, in hex: the same as hash"),
        "hmac": Function(hmac_hex, ("key",), "HMAC-SHA-256 with a secret of `keys:`, in hex"),
        "identity": Function(
            _identity,
            ("text",),
            "as an identity of that type is reported; no value where the text cannot be such an identity",
        ),
        "md5": Function(lambda: on_text(md5_hex), (), "MD5, in hex"),
        "extract": Function(extract, ("text",), "the part that a pattern of RE2 matches, or its first group"),
        "first": Function(lambda: _of_list(lambda values: values[0]), (), "the first of a list"),
        "last": Function(lambda: _of_list(lambda values: values[-1]), (), "the last of a list"),
        "sum": Function(lambda: _of_list(total), (), "the sum of a list of numbers, exactly"),
        "min": Function(
            lambda: _of_list(lambda values: plain(min(map(number_of, values)))), (), "the least number of a list"
        ),
        "max": Function(
            lambda: _of_list(lambda values: plain(max(map(number_of, values)))), (), "the greatest number of a list"
        ),
        "unique": Function(lambda: _of_list(_unique), (), "a list without repetitions"),
        "length": Function(_length, (), "the number of code points, elements or fields"),
        "url_decode": Function(lambda: on_text(unquote_plus), (), "decode %XX and +"),
        "query": Function(query, ("text",), "one parameter of a URL's query string"),
    }
)
"""All functions, by name."""
