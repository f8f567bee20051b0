"""Rows of Kafka Connect's JSON converter, with or without their schema. The JDBC source connector writes such rows."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.interfaces import Decoded, Decoder, Fields
from pipeline.decode.chain import FieldStep, chained
from pipeline.decode.connect.types import ColumnOptions, PlainTypes, UnreadableColumn
from pipeline.decode.json.decoder import JsonOptions, build_json
from pipeline.decode.json.several import NOT_AN_OBJECT
from pipeline.decode.limits import DecodeLimits
from transforms.base import Skipped

TOMBSTONE = Skipped("no entry: a tombstone")
"""The result for a tombstone: a value of null, which marks a row as deleted."""


class ConnectOptions(ColumnOptions):
    """Options of `format: connect`."""


def build_connect(options: ConnectOptions, limits: DecodeLimits) -> Decoder:
    """Make the decoder: a row's columns are the fields."""
    return json_decoder(read_connect(options, limits), limits)


def read_connect(options: ConnectOptions, limits: DecodeLimits) -> FieldStep:
    """Return the function that reads a row from an object which is decoded already."""
    plain = PlainTypes(options, limits)

    def read(fields: Fields) -> Decoded:
        schema, row = schema_and_payload(fields)
        if row is None:
            return TOMBSTONE
        if not isinstance(row, dict):
            return NOT_AN_OBJECT
        try:
            return plain.of_row(schema, row)
        except UnreadableColumn as unreadable:
            return unreadable.refusal

    return read


def schema_and_payload(fields: Fields) -> tuple[Any, Any]:
    """Return schema and payload where the converter wrote both (`schemas.enable=true`); otherwise None and the object itself."""
    if len(fields) == 2 and "schema" in fields and "payload" in fields:  # noqa: PLR2004 - the two keys
        return fields["schema"], fields["payload"]
    return None, fields


def json_decoder(read: FieldStep, limits: DecodeLimits) -> Decoder:
    """Return the decoder that reads JSON and calls `read` for each object. Some connectors write a tombstone as `null`."""
    loads = chained(build_json(JsonOptions(), limits), [read], limits)
    return lambda value: TOMBSTONE if value.strip() == b"null" else loads(value)
