"""Conversions of Avro values to the plain values of a mapping, as the JSON decoder makes them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import ceil, isfinite, log2
from typing import Any
from uuid import UUID

from pipeline.decode.avro.schema import AvroSchema
from pipeline.decode.avro.varint import long_at
from pipeline.decode.text import Base64Text
from transforms.values.numbers import float_or_exact

Conversion = Callable[[Any], Any]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal()
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a local time has no zone
_DAY_S = 86_400
_FLOAT = struct.Struct("<f")


class NumberTooLongError(ValueError):
    """A decimal has more digits than `limits.digits`."""


def conversion(schema: AvroSchema, most_digits: int) -> Conversion | None:
    """Return the conversion that makes a value of this schema plain; None where the value is plain already. The conversion may raise `NumberTooLongError`."""
    if schema.logical == "decimal" and schema.kind in {"bytes", "fixed"}:
        return _decimal(schema.scale, most_digits)
    if schema.logical == "big-decimal" and schema.kind == "bytes":
        return _big_decimal(most_digits)
    if schema.kind == "fixed":
        return _FIXED.get((schema.logical, schema.size), bytes.hex)
    return _CONVERSIONS.get((schema.kind, schema.logical)) or _CONVERSIONS.get((schema.kind, ""))


def shortest(value: float) -> float:
    """Return the shortest decimal that is this float of 32 bits, as its writer would print it: 12.1, not 12.100000381469727."""
    if not isfinite(value):
        return value
    packed = _FLOAT.pack(value)
    for digits in range(6, 10):  # nine digits are always enough
        near = float(f"{value:.{digits}g}")
        if abs(near) <= _LARGEST_FLOAT and _FLOAT.pack(near) == packed:
            return near
    return value


_LARGEST_FLOAT = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def _decimal(scale: int, most_digits: int) -> Conversion:
    return lambda content: _exact(int.from_bytes(content, signed=True), scale, most_digits)


def _big_decimal(most_digits: int) -> Conversion:
    """Return the conversion of a big-decimal: the unscaled number as Avro bytes, then the scale as an Avro int (`Conversions.BigDecimalConversion` of Java)."""

    def convert(content: bytes) -> int | float | Decimal:
        size, begun = long_at(content, 0)
        end = begun + size
        if size < 0 or end > len(content):
            raise ValueError("the number is cut off")
        scale, end_of_all = long_at(content, end)
        if end_of_all != len(content):
            raise ValueError("there are bytes after the scale")
        return _exact(int.from_bytes(content[begun:end], signed=True), scale, most_digits)

    return convert


def _exact(unscaled: int, scale: int, most_digits: int) -> int | float | Decimal:
    """Return the exact number: an integer without a scale, otherwise a double where its shortest form is the number, otherwise a Decimal."""
    most_bits = ceil(most_digits * log2(10))
    if unscaled.bit_length() > most_bits or abs(scale) > most_digits:
        raise NumberTooLongError
    if scale <= 0:
        whole: int = unscaled * 10**-scale
        if whole.bit_length() > most_bits:
            raise NumberTooLongError
        return whole
    return float_or_exact(Decimal(f"{unscaled}E-{scale}"))


def _text(content: bytes) -> str:
    """Return the text of bytes that are UTF-8, and the Base64 text of all other bytes."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return Base64Text(content)


def _date(days: int) -> str | int:
    """Return the ISO date of a number of days since 1970-01-01. A day beyond the years 1 to 9999 stays a number."""
    ordinal = _EPOCH_DAY + days
    return date.fromordinal(ordinal).isoformat() if 0 < ordinal <= _LAST_DAY else days


def _time(value: int, digits: int) -> str | int:
    seconds, part = divmod(value, 10**digits)
    if not 0 <= seconds < _DAY_S:
        return value
    moment = time(seconds // 3600, seconds // 60 % 60, seconds % 60)
    return f"{moment.isoformat()}.{part:0{digits}d}"


def _local(value: int, digits: int) -> str | int:
    """Return the ISO text of a local time, without a zone. The source file's `time_zone` is its zone then."""
    seconds, part = divmod(value, 10**digits)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return value
    return f"{moment.isoformat()}.{part:0{digits}d}"


def _duration(content: bytes) -> str:
    """Return months, days and milliseconds as an ISO 8601 duration."""
    months, days, ms = struct.unpack("<III", content)
    seconds, part = divmod(ms, 1000)
    clock = f"T{seconds}" + (f".{part:03d}".rstrip("0") if part else "") + "S" if ms else ""
    calendar = (f"{months}M" if months else "") + (f"{days}D" if days else "")
    return f"P{calendar}{clock}" if calendar or clock else "PT0S"


_FIXED: Mapping[tuple[str, int], Conversion] = {
    ("duration", 12): _duration,
    ("uuid", 16): lambda content: str(UUID(bytes=content)),
}
"""Conversions of a fixed, by logical type and size. Every other fixed becomes hexadecimal text."""

_CONVERSIONS: Mapping[tuple[str, str], Conversion] = {
    ("float", ""): shortest,
    ("bytes", ""): _text,
    ("int", "date"): _date,
    ("int", "time-millis"): lambda value: _time(value, 3),
    ("long", "time-micros"): lambda value: _time(value, 6),
    ("long", "local-timestamp-millis"): lambda value: _local(value, 3),
    ("long", "local-timestamp-micros"): lambda value: _local(value, 6),
    ("long", "local-timestamp-nanos"): lambda value: _local(value, 9),
}
"""Conversions by type and logical type. Timestamps stay integers: `event_time` recognises milli-, micro- and nanoseconds."""
