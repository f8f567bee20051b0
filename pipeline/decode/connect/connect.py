"""Rows as Kafka Connect's JSON converter writes them, with their schema beside them or without, as the JDBC source connector's are."""

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
"""What marks a row as gone."""


class ConnectOptions(ColumnOptions):
    """Options of `format: connect`."""


def build_connect(options: ConnectOptions, limits: DecodeLimits) -> Decoder:
    """Make the decoder: a row's columns are the fields."""
    return of_json(read_connect(options, limits), limits)


def read_connect(options: ConnectOptions, limits: DecodeLimits) -> FieldStep:
    """Return what reads a row that is decoded already."""
    plain = PlainTypes(options, limits)

    def read(fields: Fields) -> Decoded:
        schema, row = unwrapped(fields)
        if row is None:
            return TOMBSTONE
        if not isinstance(row, dict):
            return NOT_AN_OBJECT
        try:
            return plain.of_row(schema, row)
        except UnreadableColumn as unreadable:
            return unreadable.refusal

    return read


def unwrapped(fields: Fields) -> tuple[Any, Any]:
    """Return schema and payload where these two are what the converter wrote (`schemas.enable=true`), else nothing and the object itself."""
    if len(fields) == 2 and "schema" in fields and "payload" in fields:  # noqa: PLR2004 - these two
        return fields["schema"], fields["payload"]
    return None, fields


def of_json(read: FieldStep, limits: DecodeLimits) -> Decoder:
    """Return the decoder that reads JSON, and each object of it. `null` is how some write a tombstone."""
    loads = chained(build_json(JsonOptions(), limits), [read], limits)
    return lambda value: TOMBSTONE if value.strip() == b"null" else loads(value)
