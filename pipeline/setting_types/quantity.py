"""Quantities as a person writes them, `7d`, `1MiB`, `5%`, and as the job uses them: milliseconds, bytes and a share from 0 to 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.config import JsonDict

_DURATION_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_BYTE_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}

MOST_MS = 36_500 * 86_400_000
"""The longest duration: a hundred years. A moment so far ahead still fits into the eight bytes of a store, and into a timer."""

# Each part is digits and then letters, and the lengths are bounded, so matching takes linear time.
_DURATION_PART = re.compile(r"(\d{1,12})(ms|s|m|h|d|w)")
_BYTES = re.compile(r"(\d{1,18})(?:\.(\d{1,6}))?\s?([a-zA-Z]{0,3})")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s?%")
_MOST_TEXT = 40


def parse_duration(value: object) -> int:
    """Return a duration in milliseconds, read from a text such as `250ms`, `1s`, `1h30m` or `7d`; 0 needs no unit.

    Raises:
        ValueError: the value is anything else, or longer than `MOST_MS`. A bare number is refused too, since it does not say its unit.
    """
    if value == 0 and not isinstance(value, bool):
        return 0
    text = value.strip() if isinstance(value, str) else ""
    if 0 < len(text) <= _MOST_TEXT:
        total, position = 0, 0
        while (part := _DURATION_PART.match(text, position)) is not None:
            total += int(part[1]) * _DURATION_UNITS_MS[part[2]]
            position = part.end()
        if position == len(text) and total <= MOST_MS:
            return total
        if position == len(text):
            raise ValueError("expected a duration of at most 36500d")
    raise ValueError("expected a duration such as 250ms, 1s, 5m, 1h30m or 7d")


def parse_bytes(value: object) -> int:
    """Return a size in bytes, read from a whole number or a text such as `64KiB`, `1.5MiB` or `500kB`.

    Raises:
        ValueError: the value is anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and len(value) <= _MOST_TEXT and (found := _BYTES.fullmatch(value.strip())) is not None:
        whole, fraction, unit = found[1], found[2] or "", found[3].lower()
        if unit in _BYTE_UNITS and (unit not in {"", "b"} or not fraction):
            factor = _BYTE_UNITS[unit]
            return (
                int(whole) * factor + (int(fraction) * factor) // 10 ** len(fraction)
                if fraction
                else int(whole) * factor
            )
    raise ValueError("expected a size such as 4096, 64KiB, 1MiB or 500kB")


def parse_share(value: object) -> float:
    """Return a share from 0 to 1, read from a text such as `5%` or a number from 0 to 1.

    Raises:
        ValueError: the value is anything else, or a share above 100 %.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    if isinstance(value, str) and (found := _SHARE.fullmatch(value.strip())) is not None and float(found[1]) <= 100:  # noqa: PLR2004 - per cent
        return float(found[1]) / 100
    raise ValueError("expected a share such as 5%, 0.5% or 0.05")


def format_duration(milliseconds: int) -> str:
    """Return a duration as text that `parse_duration` reads."""
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, milliseconds = divmod(milliseconds, _DURATION_UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_bytes(count: int) -> str:
    """Return a size as text that `parse_bytes` reads."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = _BYTE_UNITS[unit.lower()]
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)


def format_share(share: float) -> str:
    """Return a share as text that `parse_share` reads."""
    return f"{share * 100:g}%"


FORMATS: Mapping[str, Callable[[Any], str]] = {
    "duration": format_duration,
    "size": format_bytes,
    "share": format_share,
}
"""The function that formats a quantity, by the quantity's name in the JSON Schema (the key `quantity`)."""


def _quantity(name: str, *forms: JsonDict) -> Any:
    """Return a field whose JSON Schema describes how the quantity is written. Limits and default are numbers there, until `FORMATS` makes texts of them."""
    return Field(ge=0, json_schema_extra={"quantity": name, "anyOf": list(forms)})


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    _quantity(
        "duration",
        {"type": "string", "pattern": r"^(\d{1,12}(ms|s|m|h|d|w))+$", "examples": ["1s", "7d"]},
        {"const": 0},
    ),
]
"""Milliseconds, written such as `1s` or `7d`."""

ByteSize = Annotated[
    int,
    BeforeValidator(parse_bytes),
    _quantity(
        "size",
        {
            "type": "string",
            "pattern": r"^\d{1,18}(\.\d{1,6})?\s?([kKmMgGtT]?[iI]?[bB])?$",
            "examples": ["64KiB", "1MiB"],
        },
        {"type": "integer", "minimum": 0},
    ),
]
"""Bytes, written such as `64KiB` or as a whole number."""

Share = Annotated[
    float,
    BeforeValidator(parse_share),
    _quantity(
        "share",
        {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})?\s?%$", "examples": ["5%"]},
        {"type": "number", "minimum": 0, "maximum": 1},
    ),
    Field(le=1),
]
"""A share from 0 to 1, written such as `5%`."""
