"""The one rule that turns any JSON value into an attribute string: `extendAttributes` maps strings to strings (reference, section 1.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite

MOST_PLACES = 10_000
"""A decimal of more places than this (`1e999999`) is left out: written without exponent it would fill memory."""


def attribute_string(value: object) -> str | None:
    """Return the string that stands for a JSON value, or None where the attribute is left out.

    A text stays as it is. An integer is written exactly, whatever its size. A decimal is written without an exponent and reads back as the same
    number. Booleans are `true` and `false`. Objects and arrays are compact JSON, in their own order, non-ASCII kept. Null is
    left out, and so are NaN and the infinities; inside a nested value each of them is `null`.

    Raises:
        TypeError: an object or array holds a value that JSON cannot hold. No decoder makes one.
    """
    if value.__class__ is str:
        return value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _decimal(Decimal(repr(value))) if isfinite(value) else None
    if isinstance(value, Decimal):
        if value.is_zero():  # whatever its exponent
            return "0"
        return _decimal(value) if value.is_finite() and abs(value.adjusted()) <= MOST_PLACES else None
    return _compact(value)


def _integer(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # longer than sys.set_int_max_str_digits allows; Decimal has no such limit
        return format(Decimal(value), "f")


def _decimal(value: Decimal) -> str:
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _compact(value: object) -> str:
    """Write a nested value as compact JSON, its numbers by the same rule. The decoders limit its depth."""
    if isinstance(value, Mapping):
        return (
            "{"
            + ",".join(f"{json.dumps(str(name), ensure_ascii=False)}:{_compact(each)}" for name, each in value.items())
            + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_compact, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float | Decimal):
        return attribute_string(value) or "null"
    if value is None:
        return "null"
    raise TypeError(f"expected a JSON value, found {type(value).__name__}")
