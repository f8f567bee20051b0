"""The functions of the mapping: one visible table. Each takes a value and literal arguments; `docs/mapping.md` has an example of each."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from schemas.customer import IdMapping
from schemas.identity import normalise
from transforms.fault import BadExpression, nearest
from transforms.values.characters import MOST, first_characters
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
from transforms.values.pattern import Pattern, PatternError
from transforms.values.text import Inconvertible, text_of, text_or_none
from transforms.values.time_formats import format_reader
from transforms.values.times import EPOCHS, iso_reader, zone

Step = Callable[[Any], Any]
"""One function with its arguments: a value in, a value out. Raises `Inconvertible`."""

Literal = str | int | Decimal | bool | None

MOST_CHARACTERS = 4 << 20
"""No function makes a longer text: a small record cannot be blown up."""

MOST_PARAMETERS = 1_000
MOST_PLACES = 30


class Function(NamedTuple):
    """One row: what compiles it from its arguments, and the types of those; a trailing `?` is optional.

    `takes_null`: it wants a null value too. `takes_zone`: it is told the zone of times that name none.
    """

    build: Callable[..., Step]
    arguments: tuple[str, ...]
    does: str
    takes_null: bool = False
    takes_zone: bool = False


def _on_text(change: Callable[[str], Any]) -> Step:
    return lambda value: change(value if value.__class__ is str else text_of(value))


def _time(pattern: str, zone_name: str | None = None, *, without_zone: str) -> Step:
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


def _truncate(most: int) -> Step:
    if not 1 <= most <= MOST:
        raise BadExpression(f"truncate({most})", f"a number of characters from 1 to {MOST}")
    first = first_characters(most)
    return lambda value: value if value.__class__ is str and len(value) <= most else first(text_of(value))


def _replace(old: str, new: str) -> Step:
    if not old:
        raise BadExpression("an empty text to be replaced", "one such as '-'")
    grows = max(len(new) - len(old), 0)

    def step(text: str) -> str:
        if grows and len(text) + text.count(old) * grows > MOST_CHARACTERS:
            raise Inconvertible("the text would become too long")
        return text.replace(old, new)

    return _on_text(step)


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
        texts = [text_of(each) for each in value if each is not None]
        if len(texts) * len(separator) > MOST_CHARACTERS:
            raise Inconvertible("the text would become too long")
        return separator.join(texts)

    return step


def _divide(divisor: int | Decimal) -> Step:
    if not divisor:
        raise BadExpression("division by 0", "another divisor")
    return divided(divisor)


def _lookup(table: Mapping[str, Any], otherwise: Literal = None) -> Step:
    return lambda value: table.get(value if value.__class__ is str else text_of(value), otherwise)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _hmac(key: bytes) -> Step:
    return _on_text(lambda text: hmac.new(key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _identity(kind: str) -> Step:
    kinds = {each.value: each for each in IdMapping}
    if kind not in kinds:
        raise BadExpression(f"identity({kind!r})", nearest(kind, kinds, f"one of {', '.join(kinds)}"))
    return _on_text(partial(normalise, kinds[kind]))


def _of_list(take: Callable[[list[Any]], Any]) -> Step:
    """Apply to a list; an empty one has no value."""

    def step(value: Any) -> Any:
        if not isinstance(value, list):
            raise Inconvertible("the value is no list")
        return take(value) if value else None

    return step


def _unique(values: list[Any]) -> list[Any]:
    """Keep the first of those that are written alike."""
    found: dict[str | None, Any] = {}
    for each in values:
        found.setdefault(text_or_none(each), each)
    return list(found.values())


def _extract(pattern: str) -> Step:
    try:
        part = Pattern(pattern, whole=False).part
    except PatternError as error:
        raise BadExpression(f"extract({pattern!r})", f"a pattern of RE2 ({error})") from None
    return _on_text(part)


def _places(name: str, build: Callable[[int], Step]) -> Callable[[int], Step]:
    def build_checked(places: int = 0) -> Step:
        if not 0 <= places <= MOST_PLACES:
            raise BadExpression(f"{name}({places})", f"a number of places from 0 to {MOST_PLACES}")
        return build(places)

    return build_checked


def _length() -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, str | list | Mapping):
            raise Inconvertible("the value has no length")
        return len(value)

    return step


def _query(name: str) -> Step:
    """Read what stands between the first `?` and `#`; a text without `?` is taken for a query string itself. No URL is refused."""

    def step(text: str) -> str | None:
        before, mark, after = text.partition("?")
        query = (after if mark else before).partition("#")[0]
        for part in query.split("&", MOST_PARAMETERS)[:MOST_PARAMETERS]:
            key, _, content = part.partition("=")
            if key == name or unquote_plus(key) == name:
                return unquote_plus(content)
        return None

    return _on_text(step)


def _default(otherwise: Literal) -> Step:
    return lambda value: otherwise if value is None or value == "" else value


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "time": Function(
            _time,
            ("text", "text?"),
            "read a time: a strptime format, 'iso', 'epoch', 'epoch_s', 'epoch_ms', 'epoch_us' or 'epoch_ns', and the zone where the text has none",
            takes_zone=True,
        ),
        "default": Function(_default, ("any",), "another value where there is none, or an empty text", takes_null=True),
        "trim": Function(lambda: _on_text(str.strip), (), "remove white space at both ends"),
        "lower": Function(lambda: _on_text(str.lower), (), "lower case"),
        "upper": Function(lambda: _on_text(str.upper), (), "upper case"),
        "truncate": Function(_truncate, ("integer",), "keep the first characters (as a reader sees them, not bytes)"),
        "replace": Function(_replace, ("text", "text"), "replace a text by another, everywhere"),
        "split": Function(
            _split,
            ("text", "integer"),
            "split at a separator and keep the part of that number, from 0; negative from the end",
        ),
        "join": Function(_join, ("text",), "join a list to a text"),
        "prefix": Function(lambda before: _on_text(lambda text: before + text), ("text",), "put a text before"),
        "suffix": Function(lambda after: _on_text(lambda text: text + after), ("text",), "put a text after"),
        "string": Function(lambda: _on_text(lambda text: text), (), "the text that an attribute would have"),
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
        "hash": Function(lambda: _on_text(_sha256), (), "SHA-256, in hex"),
        "sha256": Function(lambda: _on_text(_sha256), (), "likewise, by its name"),
        "hmac": Function(_hmac, ("key",), "HMAC-SHA-256 with a secret of `keys:`, in hex"),
        "identity": Function(
            _identity, ("text",), "as an identity of that type is reported; no value where it cannot be one"
        ),
        "md5": Function(lambda: _on_text(_md5), (), "MD5, in hex"),
        "extract": Function(_extract, ("text",), "the part that a pattern of RE2 matches, or its first group"),
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
        "length": Function(_length, (), "how many code points, elements or fields"),
        "url_decode": Function(lambda: _on_text(unquote_plus), (), "decode %XX and +"),
        "query": Function(_query, ("text",), "one parameter of a URL's query string"),
    }
)
"""Every function there is."""
