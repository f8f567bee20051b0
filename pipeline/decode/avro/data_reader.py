"""Reading data with fastavro: the only importer of it.

fastavro does the work, with what is wanted of a value put into its schema: a part that carries a conversion of ours has a logical type of ours,
which fastavro lets its users add. What it would not notice itself is refused before or after: see `bounds`, and the marks below.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, NoReturn

import fastavro
from fastavro.read import LOGICAL_READERS
from fastavro.schema import fingerprint

from pipeline.decode.avro.bounds import (
    MOST_VALUES_A_BYTE,
    NotDataError,
    Survey,
    TooDeepError,
    TooManyValuesError,
    Weight,
    bounded_by_its_bytes,
)
from pipeline.decode.avro.canonical import canonical_form
from pipeline.decode.avro.resolve import MismatchError, Resolution
from pipeline.decode.avro.schema import AvroSchema
from pipeline.decode.avro.values import Conversion, NumberTooLongError
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import NOT_UTF8
from schemas.refusal import ReasonCode, Refusal, Stage

_MARK = "log2mq"
_KINDS = ("null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "enum", "array", "map", "record")  # fmt: skip

_GUARDS = 8
"""A place below zero counts from the end for fastavro: the likeliest find a branch that refuses. More would cost every union a look at each of them."""

NOT_AVRO = Refusal(Stage.DECODE, ReasonCode.NOT_AVRO, "the bytes are no data of the schema, or are cut off")
_TRAILING = NOT_AVRO._replace(reason="there are more bytes than the schema has data")


class DataReader:
    """Reads data of one writer's schema, as one reader's schema has it where there is one."""

    def __init__(self, writer: AvroSchema, reader: AvroSchema | None, limits: DecodeLimits) -> None:
        """Prepare to read.

        Raises:
            MismatchError: no data of the writer's schema is data of the reader's.
        """
        _register()
        try:
            resolved = Resolution(_marked, limits.digits).of(writer, reader)
        except RecursionError:
            raise MismatchError("its types nest too deep") from None
        self._is_wrapped = not (isinstance(resolved, dict) and resolved["type"] == "record")
        if (
            self._is_wrapped
        ):  # a record of one field is written as that field is; fastavro parses anything else anew each time
            resolved = {"type": "record", "name": "t0", "fields": [{"name": "value", "type": resolved}]}
        self._schema = _guarded(fastavro.parse_schema(resolved))
        weight = Weight(AvroSchema("array", branches=[writer]))  # there may be several one after the other
        self._survey = None if bounded_by_its_bytes(weight, limits) else Survey(writer, weight, limits)
        self._most_more = self._values_left = limits.entries
        self._too_many = Refusal(
            Stage.DECODE,
            ReasonCode.TOO_MANY_ENTRIES,
            f"the data holds more values without a byte of their own than the {limits.entries} that limits.entries allows",
        )
        self._too_deep = limits.too_deep("the data")
        self._too_long = limits.too_long("a decimal")

    def all_of(self, content: bytes, start: int = 0) -> Any:
        """Read the one datum that begins at `start` and fills the rest; or return why there is none."""
        self.begin()
        stream = self.stream_of(content)
        stream.seek(start)
        value = self.next_of(stream)
        return _TRAILING if stream.tell() != len(content) and not isinstance(value, Refusal) else value

    def begin(self) -> None:
        """Begin with another record, all data of which together holds at most `limits.entries` values more than its bytes account for."""
        self._values_left = self._most_more

    def stream_of(self, content: bytes) -> BytesIO:
        """Begin with further bytes of the same record."""
        self._values_left += MOST_VALUES_A_BYTE * len(content)
        return BytesIO(content)

    def next_of(self, stream: BytesIO) -> Any:
        """Read the next datum of a stream; or return why there is none, with the stream left anywhere."""
        try:
            if self._survey is not None:
                self._values_left = self._survey(stream.getvalue(), stream.tell(), self._values_left)
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
    """Return a schema's CRC-64-AVRO fingerprint as it stands in a message (specification, "Single object encoding")."""
    return bytes.fromhex(fingerprint(canonical_form(schema), "CRC-64-AVRO"))


def _register() -> None:
    """Tell fastavro about the logical type that is ours; a second time changes nothing."""
    for kind in _KINDS:
        LOGICAL_READERS[f"{kind}-{_MARK}"] = _convert


def _convert(value: Any, schema: Any, _reader: Any = None) -> Any:
    return schema[_MARK](value)


def _marked(schema: dict[str, Any], convert: Conversion | None) -> dict[str, Any]:
    return schema if convert is None else {**schema, "logicalType": _MARK, _MARK: convert}


def _refuse(_value: Any) -> NoReturn:
    raise NotDataError


_GUARD = _marked({"type": "null"}, _refuse)


def _guarded(schema: Any) -> Any:
    """Put guards at the end of each union, and let no enum's symbols be counted from the end; in place."""
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
