"""Reads Avro data with fastavro. Only this module imports fastavro.

The schema that fastavro gets holds our conversions: a part of the schema with a conversion has our own logical type, and fastavro lets its users
add logical types. Wrong data that fastavro would accept is refused before or after it: see `bounds`, and the guards below.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, NoReturn

import fastavro
from fastavro.read import LOGICAL_READERS
from fastavro.schema import fingerprint

from pipeline.decode.avro.bounds import (
    MOST_VALUES_A_BYTE,
    DataScan,
    NotDataError,
    SchemaCost,
    TooDeepError,
    TooManyValuesError,
    bounded_by_its_bytes,
)
from pipeline.decode.avro.canonical import canonical_form
from pipeline.decode.avro.resolve import MismatchError, Resolution
from pipeline.decode.avro.schema import AvroSchema
from pipeline.decode.avro.values import Conversion, NumberTooLongError
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import NOT_UTF8
from schemas.refusal import ReasonCode, Refusal, Stage

_LOGICAL_TYPE = "log2mq"
_KINDS = ("null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "enum", "array", "map", "record")  # fmt: skip

_GUARDS = 8
"""Branches that refuse, at the end of each union: fastavro counts a negative index from the end. More guards would slow down every union."""

NOT_AVRO = Refusal(Stage.DECODE, ReasonCode.NOT_AVRO, "the bytes are no data of the schema, or are cut off")
_TRAILING = NOT_AVRO._replace(reason="there are more bytes than the schema has data")


class DataReader:
    """Reads data of one writer's schema. With a reader's schema, the data is resolved to it."""

    def __init__(self, writer: AvroSchema, reader: AvroSchema | None, limits: DecodeLimits) -> None:
        """Resolve the schemas, and prepare fastavro's schema.

        Raises:
            MismatchError: no data of the writer's schema can be read as the reader's schema.
        """
        _register()
        try:
            resolved = Resolution(_attach, limits.digits).of(writer, reader)
        except RecursionError:
            raise MismatchError("its types nest too deep") from None
        self._is_wrapped = not (isinstance(resolved, dict) and resolved["type"] == "record")
        # fastavro parses any schema but a record's again for each datum. A record of one field has the same bytes as the field.
        if self._is_wrapped:
            resolved = {"type": "record", "name": "t0", "fields": [{"name": "value", "type": resolved}]}
        self._schema = _guarded(fastavro.parse_schema(resolved))
        cost = SchemaCost(AvroSchema("array", branches=[writer]))  # a container holds several data in a row
        self._scan = None if bounded_by_its_bytes(cost, limits) else DataScan(writer, cost, limits)
        self._most_more = self._values_left = limits.entries
        self._too_many = Refusal(
            Stage.DECODE,
            ReasonCode.TOO_MANY_ENTRIES,
            f"the data holds more values without a byte of their own than the {limits.entries} that limits.entries allows",
        )
        self._too_deep = limits.too_deep("the data")
        self._too_long = limits.too_long("a decimal")

    def all_of(self, content: bytes, start: int = 0) -> Any:
        """Return the one datum that fills the bytes from `start` to the end, or a refusal."""
        self.begin()
        stream = self.stream_of(content)
        stream.seek(start)
        value = self.next_of(stream)
        return _TRAILING if stream.tell() != len(content) and not isinstance(value, Refusal) else value

    def begin(self) -> None:
        """Begin with another Kafka record. All its data together may hold `limits.entries` values more than `MOST_VALUES_A_BYTE` for each byte."""
        self._values_left = self._most_more

    def stream_of(self, content: bytes) -> BytesIO:
        """Return a stream of further bytes of the same Kafka record, and allow the values that these bytes may hold."""
        self._values_left += MOST_VALUES_A_BYTE * len(content)
        return BytesIO(content)

    def next_of(self, stream: BytesIO) -> Any:
        """Return the next datum of a stream, or a refusal. After a refusal the position of the stream is undefined."""
        try:
            if self._scan is not None:
                self._values_left = self._scan(stream.getvalue(), stream.tell(), self._values_left)
            value = fastavro.schemaless_reader(stream, self._schema, None)
        except UnicodeDecodeError:
            return NOT_UTF8
        except TooDeepError:
            return self._too_deep
        except TooManyValuesError:
            return self._too_many
        except NumberTooLongError:
            return self._too_long
        except MismatchError as error:
            return Refusal(Stage.DECODE, ReasonCode.SCHEMA_UNUSABLE, f"not as the reader's schema has it: {error}")
        except (NotDataError, EOFError, LookupError, ValueError, OverflowError):
            return NOT_AVRO
        return value["value"] if self._is_wrapped else value  # type: ignore[call-overload, index]  # a record


def schema_fingerprint(schema: AvroSchema) -> bytes:
    """Return a schema's CRC-64-AVRO fingerprint, with the byte order of a message (specification, "Single object encoding")."""
    return bytes.fromhex(fingerprint(canonical_form(schema), "CRC-64-AVRO"))


def _register() -> None:
    """Register our logical type with fastavro. A second call changes nothing."""
    for kind in _KINDS:
        LOGICAL_READERS[f"{kind}-{_LOGICAL_TYPE}"] = _convert


def _convert(value: Any, schema: Any, _reader: Any = None) -> Any:
    return schema[_LOGICAL_TYPE](value)


def _attach(schema: dict[str, Any], convert: Conversion | None) -> dict[str, Any]:
    return schema if convert is None else {**schema, "logicalType": _LOGICAL_TYPE, _LOGICAL_TYPE: convert}


def _refuse(_value: Any) -> NoReturn:
    raise NotDataError


_GUARD = _attach({"type": "null"}, _refuse)


def _guarded(schema: Any) -> Any:
    """Add guards to the end of each union, and make enum symbols a mapping, so that a negative index finds none. Changes the schema in place."""
    if isinstance(schema, list):
        for each in schema:
            _guarded(each)
        schema += [_GUARD] * _GUARDS
    elif isinstance(schema, dict):
        if schema["type"] == "enum":
            schema["symbols"] = dict(enumerate(schema["symbols"]))
        for each in schema.get("fields", ()):
            _guarded(each["type"])
        for inner in ("items", "values"):
            if inner in schema:
                _guarded(schema[inner])
    return schema
