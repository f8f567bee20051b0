"""Kafka Connect's and Debezium's semantic types as plain values, without loss: dates and times as ISO text, decimals as numbers.

Sources: `org.apache.kafka.connect.data` (Date, Time, Timestamp, Decimal) and its JSON converter; Debezium's documentation, "Data type mappings" of
each connector (`io.debezium.time`, `io.debezium.data`).
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.decode.limits import DecodeLimits
from schemas.refusal import ReasonCode, Refusal, Stage

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the times have no zone
_EPOCH_DAY = date(1970, 1, 1)
_DECIMAL = re.compile(r"decimal\((-?\d{1,4})\)", re.ASCII)
_DIGITS_PER_BYTE = 2.408_24  # log10(256)
_MOST_BITS_BYTES = 8

_CONTAINERS = ("struct", "array", "map")

_MS, _US, _NS = 10**3, 10**6, 10**9

SEMANTIC_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "org.apache.kafka.connect.data.Date": "date",
        "org.apache.kafka.connect.data.Time": "time",
        "org.apache.kafka.connect.data.Timestamp": "timestamp",
        "org.apache.kafka.connect.data.Decimal": "decimal",
        "io.debezium.time.Date": "date",
        "io.debezium.time.Time": "time",
        "io.debezium.time.MicroTime": "micro_time",
        "io.debezium.time.NanoTime": "nano_time",
        "io.debezium.time.Timestamp": "timestamp",
        "io.debezium.time.MicroTimestamp": "micro_timestamp",
        "io.debezium.time.NanoTimestamp": "nano_timestamp",
        "io.debezium.data.VariableScaleDecimal": "variable_decimal",
        "io.debezium.data.Bits": "bits",
    }
)
"""The name of a type in a schema, and its name in the option `types`. Values of all other types are plain already."""

_NAMES = (*dict.fromkeys(name for name in SEMANTIC_TYPES.values() if name != "decimal"), "decimal(SCALE)")

Timestamps = Literal["local", "utc"]


def _known(name: str) -> str:
    if name not in _NAMES[:-1] and not _DECIMAL.fullmatch(name):
        raise ValueError(f"{name!r}; expected one of {', '.join(_NAMES)}, such as decimal(2)")
    return name


ColumnType = Annotated[str, AfterValidator(_known)]
"""The type of a column, by its name in the option `types`."""


class ColumnOptions(BaseModel):
    """Options of formats whose records are rows of columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    types: dict[str, ColumnType] = Field(
        default_factory=dict,
        description="The types of columns by name, such as `{amount: decimal(2), created_at: timestamp}`. They are read after the schema, where there is one.",
    )
    timestamps: Timestamps = Field(
        default="utc",
        description="How a timestamp without a zone is read. `utc`: an instant, with `Z`. The JDBC source writes it where its `db.timezone` is the database's. "
        "`local`: a time in the database's own zone, without `Z`, so that the source file's `time_zone` holds.",
    )


class UnreadableColumn(Exception):
    """A column's value does not have the column's type. `refusal` is the refusal of its record."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.reason)


class PlainTypes:
    """Turns the values of rows into plain values, by the row's own schema and by the types that the source file names."""

    def __init__(self, options: ColumnOptions, limits: DecodeLimits) -> None:
        self._digits = limits.digits
        suffix = "Z" if options.timestamps == "utc" else ""
        self._readers: dict[str, Callable[[Any], Any]] = {
            "date": _date,
            "time": lambda value: _time(value, _MS),
            "micro_time": lambda value: _time(value, _US),
            "nano_time": lambda value: _time(value, _NS),
            "timestamp": lambda value: _timestamp(value, _MS, suffix),
            "micro_timestamp": lambda value: _timestamp(value, _US, suffix),
            "nano_timestamp": lambda value: _timestamp(value, _NS, suffix),
            "variable_decimal": self._variable_decimal,
            "bits": _bits,
        }
        self._columns = {
            column: (self._reader(name), _refusal(f"{column} is no {name}, as decode.types says"))
            for column, name in options.types.items()
        }

    def of_row(self, schema: Any, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the row with plain values: first by its schema, where it has one, and then by `types`.

        Raises:
            UnreadableColumn: a column, or the row itself, does not have the type that the schema or `types` names.
        """
        plain = self._of_schema(schema, row)
        if not isinstance(plain, dict):
            raise UnreadableColumn(_UNFIT)
        if not self._columns:
            return plain
        plain = dict(plain)
        for column, (read, unfit) in self._columns.items():
            if plain.get(column) is not None:
                plain[column] = _read(read, plain[column], unfit)
        return plain

    def _of_schema(self, schema: Any, value: Any) -> Any:
        if value is None or not isinstance(schema, dict):
            return value
        name = SEMANTIC_TYPES.get(schema["name"]) if isinstance(schema.get("name"), str) else None
        if name == "decimal":
            parameters = schema.get("parameters")
            scale = parameters.get("scale") if isinstance(parameters, dict) else None
            return _read(lambda each: self._decimal(each, _whole_number(scale)), value, _UNFIT)
        if name is not None:
            return _read(self._readers[name], value, _UNFIT)
        kind, fields = schema.get("type"), schema.get("fields")
        if kind == "struct" and isinstance(value, dict) and isinstance(fields, list):
            plain = dict(value)
            for each in fields:
                if not isinstance(each, dict) or ("name" not in each and each.get("type") not in _CONTAINERS):
                    continue  # as most columns are: a plain value already
                if isinstance(field := each.get("field"), str) and field in plain:
                    plain[field] = self._of_schema(each, plain[field])
            return plain
        if kind == "array" and isinstance(value, list):
            return [self._of_schema(schema.get("items"), each) for each in value]
        if kind == "map" and isinstance(value, dict):
            return {key: self._of_schema(schema.get("values"), each) for key, each in value.items()}
        return value

    def _reader(self, name: str) -> Callable[[Any], Any]:
        if found := _DECIMAL.fullmatch(name):
            scale = int(found[1])
            return lambda value: self._decimal(value, scale)
        return self._readers[name]

    def _decimal(self, value: Any, scale: int) -> Any:
        """Return a decimal. Its unscaled number is Base64 of a big-endian two's complement; with `decimal.format=numeric` the value is a number already."""
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return value
        unscaled = _bytes(value)
        if max(len(unscaled) * _DIGITS_PER_BYTE - 1, abs(scale)) > self._digits:
            raise UnreadableColumn(_TOO_LONG)
        return Decimal(f"{int.from_bytes(unscaled, signed=True)}E{-scale}")

    def _variable_decimal(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._decimal(value.get("value"), _whole_number(value.get("scale")))
        raise ValueError


_TOO_LONG = Refusal(Stage.DECODE, ReasonCode.NUMBER_TOO_LONG, "a decimal has more digits than limits.digits allows")


def _refusal(reason: str) -> Refusal:
    return Refusal(Stage.DECODE, ReasonCode.FIELD_TYPE, reason)


_UNFIT = _refusal("a column does not hold what the schema beside it says")


def _read(read: Callable[[Any], Any], value: Any, unfit: Refusal) -> Any:
    try:
        return read(value)
    except ValueError:
        raise UnreadableColumn(unfit) from None


def _whole_number(value: Any) -> int:
    """Return a whole number. A text of digits is one too: the parameters of a schema are texts."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value, re.ASCII):
        return int(value)
    raise ValueError


def _number(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str) or not value:
        raise ValueError
    return b64decode(value, validate=True)


def _date(value: Any) -> Any:
    """Return the ISO date of a number of days since 1970-01-01. A day beyond the years 1 to 9999 stays a number."""
    days = _number(value)
    try:
        return (_EPOCH_DAY + timedelta(days=days)).isoformat()
    except OverflowError:
        return days


def _time(value: Any, per_second: int) -> str:
    """Return the text of a time of day. MySQL's may be negative, or have more hours than a day."""
    ticks = _number(value)
    seconds, rest = divmod(abs(ticks), per_second)
    hours, seconds = divmod(seconds, 3600)
    sign = "-" if ticks < 0 else ""
    return f"{sign}{hours:02}:{seconds // 60:02}:{seconds % 60:02}{_fraction(rest, per_second)}"


def _timestamp(value: Any, per_second: int, suffix: str) -> Any:
    """Return the ISO date and time. A time beyond the years 1 to 9999 stays a number: databases write infinity in this way."""
    ticks = _number(value)
    seconds, rest = divmod(ticks, per_second)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return ticks
    return f"{moment.isoformat()}{_fraction(rest, per_second)}{suffix}"


def _fraction(rest: int, per_second: int) -> str:
    return f".{rest + per_second}".replace(".1", ".", 1).rstrip("0") if rest else ""


def _bits(value: Any) -> Any:
    """Return the number of at most 64 bits, which are in little-endian order. More bits stay the text that they are."""
    content = _bytes(value)
    return int.from_bytes(content, "little") if len(content) <= _MOST_BITS_BYTES else value
