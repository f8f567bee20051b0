"""The functions of the mapping that change texts. Each is built from its arguments, and changes the text that an attribute would have."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from transforms.fault import BadExpression
from transforms.values.characters import MOST, first_characters
from transforms.values.pattern import Pattern, PatternError
from transforms.values.text import Inconvertible, text_of

BoundFunction = Callable[[Any], Any]
"""A function with its arguments: it takes a value and returns a value. It raises `Inconvertible`."""

MOST_CHARACTERS = 4 << 20
"""No function makes a longer text, so that a small record cannot fill the memory."""

MOST_PARAMETERS = 1_000


def on_text(change: Callable[[str], Any]) -> BoundFunction:
    """Return the function that applies a change to the text of its value."""
    return lambda value: change(value if value.__class__ is str else text_of(value))


def truncate(most: int) -> BoundFunction:
    """Keep the first characters, as a reader counts them."""
    if not 1 <= most <= MOST:
        raise BadExpression(f"truncate({most})", f"a number of characters from 1 to {MOST}")
    first = first_characters(most)
    return lambda value: value if value.__class__ is str and len(value) <= most else first(text_of(value))


def replace(old: str, new: str) -> BoundFunction:
    """Replace a text by another, everywhere."""
    if not old:
        raise BadExpression("an empty text to be replaced", "one such as '-'")
    grows = max(len(new) - len(old), 0)

    def step(text: str) -> str:
        if grows and len(text) + text.count(old) * grows > MOST_CHARACTERS:
            raise Inconvertible("the text would become too long")
        return text.replace(old, new)

    return on_text(step)


def split(separator: str, index: int) -> BoundFunction:
    """Split at a separator and keep one part; there is no value where there is no such part."""
    if not separator:
        raise BadExpression("an empty separator", "one such as ','")

    def step(value: Any) -> Any:
        parts = text_of(value).split(separator)
        return parts[index] if -len(parts) <= index < len(parts) else None

    return step


def sha256_hex(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hmac_hex(key: bytes) -> BoundFunction:
    """Hash with a secret key: HMAC-SHA-256."""
    return on_text(lambda text: hmac.new(key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest())


def md5_hex(text: str) -> str:
    """Return the MD5 of a text in UTF-8."""
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def extract(pattern: str) -> BoundFunction:
    """Keep the part that a pattern of RE2 matches, or its first group."""
    try:
        part = Pattern(pattern, whole=False).part
    except PatternError as error:
        raise BadExpression(f"extract({pattern!r})", f"a pattern of RE2 ({error})") from None
    return on_text(part)


def query(name: str) -> BoundFunction:
    """Read one parameter of the query string, which lies between the first `?` and `#`.

    A text without `?` is itself taken for a query string. No URL is refused.
    """

    def step(text: str) -> str | None:
        before, mark, after = text.partition("?")
        query = (after if mark else before).partition("#")[0]
        for part in query.split("&", MOST_PARAMETERS)[:MOST_PARAMETERS]:
            key, _, content = part.partition("=")
            if key == name or unquote_plus(key) == name:
                return unquote_plus(content)
        return None

    return on_text(step)
