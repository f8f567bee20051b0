"""Debezium's change events: the entry is the row after the change, or the row before a delete. The rest of the event is one field of the entry."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.contracts.interfaces import Decoded, Decoder, Fields
from pipeline.decode.chain import FieldStep
from pipeline.decode.connect.connect import TOMBSTONE, json_decoder, schema_and_payload
from pipeline.decode.connect.types import ColumnOptions, PlainTypes, Timestamps, UnreadableColumn
from pipeline.decode.json.decoder import JsonOptions, build_json
from pipeline.decode.json.several import NOT_AN_OBJECT
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match
from schemas.refusal import Refusal
from transforms.base import Skipped

Operation = Literal["c", "u", "d", "r", "t", "m"]
"""The values of `op`: create, update, delete, read (a row of a snapshot), truncate, message."""

OPERATIONS: tuple[Operation, ...] = ("c", "u", "d", "r", "t", "m")

ENVELOPE = "debezium"
"""The default name of the field that holds the event without its row."""

_NO_EVENT = no_match("the object is no change event of Debezium, nor one flattened with __op or __deleted")
_UNWANTED: Mapping[str, Skipped] = MappingProxyType(
    {each: Skipped(f"no entry: the operation {each} is not among decode.operations") for each in OPERATIONS}
)
_UNAVAILABLE = "__debezium_unavailable_value"
"""The placeholder for a large value that the change did not touch (PostgreSQL, Oracle)."""

_ADDED = "__"
"""The prefix of the fields that `ExtractNewRecordState` adds."""


class DebeziumOptions(ColumnOptions):
    """Options of `format: debezium`."""

    operations: Annotated[tuple[Operation, ...], Field(min_length=1)] = Field(
        default=("c", "u"),
        description="The operations whose events are entries. Events of all others, and tombstones, are filtered: none of them is refused.",
    )
    envelope: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default=ENVELOPE,
        description="The name of the field that holds the event without its row. Choose another name where a column has the same name.",
    )
    timestamps: Timestamps = Field(
        default="local",
        description="How a timestamp without a zone is read. "
        "MySQL's `DATETIME` and PostgreSQL's `timestamp` have no zone, and Debezium writes them as if they were UTC. "
        "`local` reads them without a zone, so that the source file's `time_zone` holds. `utc` is for databases whose times are UTC.",
    )


def build_debezium(options: DebeziumOptions, limits: DecodeLimits) -> Decoder:
    """Make the decoder. An event whose operation is not among `operations`, and a tombstone, gives no entry: it is filtered, not refused."""
    return json_decoder(read_debezium(options, limits), limits)


def read_debezium(options: DebeziumOptions, limits: DecodeLimits) -> FieldStep:
    """Return the function that reads a change event from an object which is decoded already."""
    return _ChangeEvents(options, limits).read


class _ChangeEvents:
    """Reads change events, whole or flattened."""

    def __init__(self, options: DebeziumOptions, limits: DecodeLimits) -> None:
        self._wanted = frozenset(options.operations)
        self._envelope = options.envelope
        self._plain = PlainTypes(options, limits)
        self._json = build_json(JsonOptions(), limits)

    def read(self, fields: Fields) -> Decoded:
        """Return the entry of one event, which may hold its schema."""
        schema, payload = schema_and_payload(fields)
        if payload is None:
            return TOMBSTONE
        if not isinstance(payload, dict):
            return NOT_AN_OBJECT
        try:
            if isinstance(payload.get("op"), str) and not payload.keys().isdisjoint(("before", "after", "source")):
                return self._whole(schema, payload)
            if not payload.keys().isdisjoint(("__op", "__deleted")):
                return self._flattened(schema, payload)
        except UnreadableColumn as unreadable:
            return unreadable.refusal
        return _NO_EVENT

    def _whole(self, schema: Any, payload: Mapping[str, Any]) -> Decoded:
        if payload["op"] not in self._wanted:
            return _UNWANTED.get(payload["op"], _NO_EVENT)
        after, before = self._row(schema, payload, "after"), self._row(schema, payload, "before")
        for each in (after, before):
            if isinstance(each, Refusal):
                return each
        event = {name: each for name, each in payload.items() if name != "after"}
        if "before" in event:
            event["before"] = before
        return {**(after or before or {}), self._envelope: event}

    def _row(self, schema: Any, payload: Mapping[str, Any], side: str) -> Any:
        row = payload.get(side)
        if isinstance(row, str):  # MongoDB's connector writes a document as JSON text
            row = self._json(row.encode("utf-8", "surrogatepass"))
        if row is None or isinstance(row, Refusal):
            return row
        if not isinstance(row, dict):
            return _NO_EVENT
        return self._plain.of_row(_schema_of(schema, side), _available(row))

    def _flattened(self, schema: Any, payload: Mapping[str, Any]) -> Decoded:
        """Return the entry of an event that `ExtractNewRecordState` has flattened. Without `__op`, only a delete can be recognised."""
        deleted = str(payload.get("__deleted")).lower() == "true"
        operation = str(payload.get("__op") or ("d" if deleted else ""))
        if operation and operation not in self._wanted:
            return _UNWANTED.get(operation, _NO_EVENT)
        plain = self._plain.of_row(schema, _available(payload))
        row = {name: each for name, each in plain.items() if not name.startswith(_ADDED)}
        event = {name.removeprefix(_ADDED): each for name, each in plain.items() if name.startswith(_ADDED)}
        return {**row, self._envelope: {**event, "op": operation} if operation else event}


def _available(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row without the columns whose values the event does not have."""
    return {name: each for name, each in row.items() if each != _UNAVAILABLE} if _UNAVAILABLE in row.values() else row


def _schema_of(schema: Any, side: str) -> Any:
    """Return the schema of one side of the event, `before` or `after`; None where there is none."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    for each in fields if isinstance(fields, list) else ():
        if isinstance(each, dict) and each.get("field") == side:
            return each
    return None
