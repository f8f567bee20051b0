"""Avro: decodes a record's bytes to fields. The bytes name their schema or hold it, or the source file names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.contracts.interfaces import Decoded, Decoder, Fields
from pipeline.contracts.values import Pending
from pipeline.decode.avro.container import ContainerReader
from pipeline.decode.avro.data_reader import NOT_AVRO, DataReader, schema_fingerprint
from pipeline.decode.avro.options import AvroOptions, load_schema
from pipeline.decode.avro.resolve import MismatchError
from pipeline.decode.avro.schema import AvroSchema, SchemaFault, read_schema
from pipeline.decode.context import DecodeContext
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.schema_registry.client import Registered, RegistryClient
from pipeline.decode.schema_registry.schemas import RegistrySchemas
from schemas.refusal import ReasonCode, Refusal, Stage

CONFLUENT_HEADER_BYTES = 5
"""A zero byte, and the schema's ID in four bytes, the highest first (Confluent, "Wire format")."""

SINGLE_OBJECT_MARK = b"\xc3\x01"
SINGLE_OBJECT_HEADER_BYTES = 10
"""The mark, and the schema's fingerprint in eight bytes, the lowest first (specification, "Single object encoding")."""

MOST_CONTAINER_SCHEMAS = 64
"""Most schemas of container files that are kept for the next record."""

_NO_FIELDS = Refusal(
    Stage.DECODE, ReasonCode.NOT_AN_OBJECT, "the data is neither a record, nor a map, nor an array of either"
)
_NOT_CONFLUENT = NOT_AVRO._replace(reason="the value does not begin with a zero byte and a schema ID")
_NOT_SINGLE_OBJECT = NOT_AVRO._replace(reason="the value does not begin with C3 01 and a fingerprint")
_UNKNOWN_FINGERPRINT = Refusal(
    Stage.DECODE, ReasonCode.SCHEMA_UNKNOWN, "the value's fingerprint is that of no schema_file"
)
_UNKNOWN_ID = Refusal(Stage.DECODE, ReasonCode.SCHEMA_UNKNOWN, "the value's schema ID is none of those given")
_NOT_CONNECTED = Pending("the registry is not asked: the options are only checked", 0, is_lost=True)


def build_avro(options: AvroOptions, limits: DecodeLimits, context: DecodeContext) -> Decoder:
    """Make the decoder. A registry is called in threads of its own, and only where the context has an environment.

    Raises:
        UsageError: the registry's password is missing, or its `ca_file` cannot be read as certificates.
        ValueError: a schema file cannot be read, or its schema does not resolve to the reader's schema.
    """
    readers = _Readers(options, limits, context)
    match options.framing:
        case "confluent":
            return _confluent(options, readers, limits, context)
        case "single_object":
            return _single_object(options, readers, limits, context)
        case "container":
            read = ContainerReader(readers.of_container, limits)
            return lambda value: _fields_of(read(value), limits)
        case _:
            reader = readers.of_file(context, options.schema_file[0])
            return lambda value: _fields_of(reader.all_of(value), limits)


class _Readers:
    """Makes the readers of writers' schemas, all with the same reader's schema where the options name one."""

    def __init__(self, options: AvroOptions, limits: DecodeLimits, context: DecodeContext) -> None:
        self._limits = limits
        self._reader: AvroSchema | None = None
        if options.reader_schema_file is not None:
            self._reader = load_schema(context.folder / options.reader_schema_file, options.reader_schema_file)
        self._by_text: dict[bytes, DataReader | Refusal] = {}

    def of(self, schema: AvroSchema) -> DataReader:
        return DataReader(schema, self._reader, self._limits)

    def of_file(self, context: DecodeContext, path: str) -> DataReader:
        try:
            return self.of(load_schema(context.folder / path, path))
        except MismatchError as error:
            raise ValueError(f"schema_file {path}, which does not resolve to reader_schema_file: {error}") from None

    def of_text(self, text: str | bytes, references: tuple[str, ...] = ()) -> DataReader | Refusal:
        """Return the reader of a schema from a record or a registry. The text may be anything, so a wrong one gives a refusal."""
        try:
            return self.of(read_schema(text, references))
        except (SchemaFault, MismatchError) as error:
            return Refusal(Stage.DECODE, ReasonCode.SCHEMA_UNUSABLE, f"the writer's schema cannot be used: {error}")

    def of_container(self, text: bytes) -> DataReader | Refusal:
        """Return the reader of a container file's schema, and keep it: the files of a topic mostly have one schema."""
        reader = self._by_text.get(text)
        if reader is None:
            while len(self._by_text) >= MOST_CONTAINER_SCHEMAS:
                del self._by_text[next(iter(self._by_text))]
            reader = self._by_text[text] = self.of_text(text)
        return reader

    def of_registered(self, found: Registered) -> DataReader | Refusal:
        if found.kind != "AVRO":
            return Refusal(Stage.DECODE, ReasonCode.SCHEMA_UNUSABLE, "the writer's schema is not of Avro")
        return self.of_text(found.texts[-1], found.texts[:-1])


def _confluent(options: AvroOptions, readers: _Readers, limits: DecodeLimits, context: DecodeContext) -> Decoder:
    assert options.registry is not None  # noqa: S101 - the options check it
    find: Callable[[int], DataReader | Refusal | Pending] = lambda _: _NOT_CONNECTED  # noqa: E731 - the default, without a registry
    if context.schemas is not None:
        readers_by_id = {number: readers.of_text(text) for number, text in context.schemas.items()}
        find = lambda number: readers_by_id.get(number, _UNKNOWN_ID)  # noqa: E731 - one expression
    elif context.environment is not None:
        settings = options.registry
        if context.give_up_after_ms is not None:
            give_up_after = min(settings.give_up_after, context.give_up_after_ms)
            settings = settings.model_copy(update={"give_up_after": give_up_after})
        client = RegistryClient(settings, context.environment, monotonic=context.monotonic)
        find = RegistrySchemas(
            settings,
            client.look_up,
            readers.of_registered,
            monotonic=context.monotonic,
            random=context.random,
        ).find

    def decode(value: bytes) -> Decoded:
        if len(value) < CONFLUENT_HEADER_BYTES or value[0]:
            return _NOT_CONFLUENT
        reader = find(int.from_bytes(value[1:CONFLUENT_HEADER_BYTES]))
        if isinstance(reader, DataReader):
            return _fields_of(reader.all_of(value, CONFLUENT_HEADER_BYTES), limits)
        return reader

    return decode


def _single_object(options: AvroOptions, readers: _Readers, limits: DecodeLimits, context: DecodeContext) -> Decoder:
    known = {
        schema_fingerprint(load_schema(context.folder / path, path)): readers.of_file(context, path)
        for path in options.schema_file
    }

    def decode(value: bytes) -> Decoded:
        if len(value) < SINGLE_OBJECT_HEADER_BYTES or not value.startswith(SINGLE_OBJECT_MARK):
            return _NOT_SINGLE_OBJECT
        reader = known.get(value[2:SINGLE_OBJECT_HEADER_BYTES])
        if reader is None:
            return _UNKNOWN_FINGERPRINT
        return _fields_of(reader.all_of(value, SINGLE_OBJECT_HEADER_BYTES), limits)

    return decode


def _fields_of(data: Any, limits: DecodeLimits) -> Decoded:
    """Return a record or a map as fields, and the items of an array or a container as entries."""
    if type(data) is dict or isinstance(data, Refusal):
        return data
    if type(data) is not list:
        return _NO_FIELDS
    if len(data) > limits.entries:
        return limits.too_many_entries
    entries: list[Fields | Refusal] = [each if type(each) is dict else _NO_FIELDS for each in data]
    return entries if not entries or any(type(each) is dict for each in entries) else _NO_FIELDS
