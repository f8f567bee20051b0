"""The text of a value, by the rule of attributes, and the word for a value that has none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from schemas.attribute import attribute_string

_PLAIN_INTEGER = 10**18
"""Below this `str` writes an integer as the rule of attributes does."""


class Inconvertible(Exception):
    """A function cannot work on the value it was given. Caught by the mapping; says which function and why, never the value."""


def text_or_none(value: Any) -> str | None:
    """Return the text of a value by the rule of attributes (`schemas.attribute`), None where it has none.

    The common kinds are written here, to the same text, since this runs for every attribute of every event.

    Raises:
        Inconvertible: the value is none that JSON can hold.
    """
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]  # its class is str
    if value is None:
        return None
    if kind is int and -_PLAIN_INTEGER < value < _PLAIN_INTEGER:
        return str(value)
    if kind is float:
        text = repr(value)
        if "e" not in text and "n" not in text:  # neither an exponent nor nan or inf
            return text if text[-2:] != ".0" else (text[:-2] if value else "0")
    if kind is Decimal:
        text = str(value)
        if "." in text and text[-1] != "0" and "E" not in text:  # a plain fraction
            return text
    try:
        return attribute_string(value)
    except TypeError:
        raise Inconvertible("the value is none that JSON can hold") from None
    except RecursionError:
        raise Inconvertible("the value is nested too deeply") from None


def text_of(value: Any) -> str:
    """Return the text of a value.

    Raises:
        Inconvertible: it has none.
    """
    text = text_or_none(value)
    if text is None:
        raise Inconvertible("there is no text for the value")
    return text
