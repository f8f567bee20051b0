"""The text of a value, by the rule of attributes, and the exception for a value that a function cannot use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from schemas.attribute import attribute_string

_PLAIN_INTEGER = 10**18
"""Below this `str` writes an integer as the rule of attributes does."""
_LEAST_PLAIN, _MOST_PLAIN = 1e-4, 1e16
"""Between these `repr` writes a float without an exponent."""


class Inconvertible(Exception):
    """A function cannot use the value that it was given. The mapping catches it. The message names the function and the reason, never the value."""


def text_or_none(value: Any) -> str | None:
    """Return the text of a value by the rule of attributes (`schemas.attribute`), None where it has none.

    The common types are converted here, to the same text but faster, since this runs for every attribute of every event.

    Raises:
        Inconvertible: JSON cannot hold the value, or the value is nested too deeply.
    """
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]  # its class is str
    if kind is float:
        if _LEAST_PLAIN <= value < _MOST_PLAIN or -_MOST_PLAIN < value <= -_LEAST_PLAIN:
            text = repr(value)
            return text if text[-1] != "0" else text[:-2]  # a zero at the end is that of `.0`
    elif kind is int:
        if -_PLAIN_INTEGER < value < _PLAIN_INTEGER:
            return str(value)
    elif kind is Decimal:
        text = str(value)
        if "." in text and "E" not in text and (text[-1] != "0" or (text := text.rstrip("0").rstrip(".")) != "-0"):
            return text  # a plain fraction
    elif value is None:
        return None
    try:
        return attribute_string(value)
    except TypeError:
        raise Inconvertible("JSON cannot hold the value") from None
    except RecursionError:
        raise Inconvertible("the value is nested too deeply") from None


def text_of(value: Any) -> str:
    """Return the text of a value.

    Raises:
        Inconvertible: the value has no text.
    """
    text = text_or_none(value)
    if text is None:
        raise Inconvertible("there is no text for the value")
    return text
