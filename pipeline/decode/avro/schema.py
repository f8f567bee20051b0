"""An Avro schema as a graph: read from its JSON text, with names resolved, and checked for everything that the reading of data relies on.

The rules are those of the Avro specification 1.12, "Schema Declaration".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Any, NamedTuple, TypeGuard

import orjson

from pipeline.decode.nesting import is_deeper

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

MOST_LEVELS = 300
"""Most levels of JSON in a schema. A record within a record adds three levels."""

MOST_NODES = 10_000
"""Most fields, items and branches of one schema. A schema may come from a record, so its cost is bounded."""

MOST_FIXED_BYTES = 1 << 30

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")

NO_DEFAULT: Any = object()


class SchemaFault(ValueError):
    """A text is not an Avro schema. The message says where and why. It quotes only names."""


class AvroField(NamedTuple):
    """One field of a record. `default` is plain JSON, or `NO_DEFAULT`."""

    name: str
    schema: AvroSchema
    default: Any
    aliases: tuple[str, ...]


@dataclass(eq=False, slots=True)
class AvroSchema:
    """One node of the graph. A use of a named type is the type's own node, so a recursive type makes a cycle. A node is equal only to itself."""

    kind: str
    name: str = ""  # in full, with its namespace
    aliases: tuple[str, ...] = ()  # in full
    logical: str = ""
    scale: int = 0  # of a decimal
    fields: list[AvroField] = field(default_factory=list)  # of a record
    branches: list[AvroSchema] = field(
        default_factory=list
    )  # of a union; an array has its items here, a map its values
    symbols: tuple[str, ...] = ()  # of an enum
    symbol_default: str | None = None  # of an enum
    size: int = 0  # of a fixed, in bytes

    @property
    def short_name(self) -> str:
        """Return the name without its namespace."""
        return self.name.rpartition(".")[2]


def read_schema(text: str | bytes, references: Sequence[str] = ()) -> AvroSchema:
    """Return a schema. `references` are the schemas whose named types it uses; each may use the named types of those before it.

    Raises:
        SchemaFault: one of the texts is not an Avro schema.
    """
    reader = _SchemaReader()
    try:
        for each in references:
            reader.read(_json(each))
        return reader.read(_json(text))
    except RecursionError:
        raise SchemaFault("its types nest too deep") from None


def _json(text: str | bytes) -> Any:
    try:
        written = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise SchemaFault("the schema is no JSON text") from None
    if isinstance(written, dict | list) and is_deeper(written, MOST_LEVELS):
        raise SchemaFault(f"the schema is nested deeper than {MOST_LEVELS} levels")
    return written


class _SchemaReader:
    """Reads schemas that share their named types."""

    def __init__(self) -> None:
        self._named: dict[str, AvroSchema] = {}
        self._nodes = 0

    def read(self, written: Any, namespace: str = "") -> AvroSchema:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise SchemaFault(f"the schema has more than {MOST_NODES} parts")
        if isinstance(written, str):
            return self._named_or_primitive(written, namespace)
        if isinstance(written, list):
            return self._union(written, namespace)
        if not isinstance(written, dict) or "type" not in written:
            raise SchemaFault("a part of the schema is neither a name, a list nor an object with a type")
        kind = written["type"]
        if kind in {"record", "error"} if isinstance(kind, str) else False:
            return self._record(written, namespace)
        match kind:
            case "enum":
                return self._enum(written, namespace)
            case "fixed":
                return self._fixed(written, namespace)
            case "array" | "map":
                inner = "items" if kind == "array" else "values"
                if inner not in written:
                    raise SchemaFault(f"the {kind} has no {inner}")
                return AvroSchema(intern(kind), branches=[self.read(written[inner], namespace)])
            case str() if kind in PRIMITIVES:
                return _logical(AvroSchema(intern(kind)), written)
            case _:
                return self.read(kind, namespace)  # {"type": {"type": ...}}, and {"type": "Name"}

    def _named_or_primitive(self, name: str, namespace: str) -> AvroSchema:
        if name in PRIMITIVES:
            # fastavro compares the kind for each value. Comparing the same string object is fast.
            return AvroSchema(intern(name))
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        found = self._named.get(full) or self._named.get(name)
        if found is None:
            raise SchemaFault(f"the type {name[:200]!r} is not declared")
        return found

    def _union(self, written: list[Any], namespace: str) -> AvroSchema:
        if not written:
            raise SchemaFault("a union has no branches")
        branches = [self.read(each, namespace) for each in written]
        if any(each.kind == "union" for each in branches):
            raise SchemaFault("a union is directly within a union")
        types = [each.name or each.kind for each in branches]
        if len(set(types)) < len(types):
            raise SchemaFault("two branches of a union are of one type")
        return AvroSchema("union", branches=branches)

    def _record(self, written: Mapping[str, Any], namespace: str) -> AvroSchema:
        schema, namespace = self._declared("record", written, namespace)
        fields = written.get("fields")
        if not isinstance(fields, list):
            raise SchemaFault(f"the record {schema.name} has no list of fields")
        for each in fields:
            if not isinstance(each, dict) or "type" not in each or not _is_name(each.get("name")):
                raise SchemaFault(f"a field of {schema.name} has no name, or no type")
            field_schema = self.read(each["type"], namespace)
            if isinstance(each["type"], str) and field_schema.kind in PRIMITIVES and "logicalType" in each:
                # A logical type beside the type, and not within it, has no meaning (specification, "Logical Types").
                field_schema = AvroSchema(field_schema.kind)
            default = each.get("default", NO_DEFAULT)
            schema.fields.append(
                AvroField(intern(each["name"]), field_schema, default, tuple(_texts(each.get("aliases", []))))
            )
        names = [each.name for each in schema.fields]
        if len(set(names)) < len(names):
            raise SchemaFault(f"the record {schema.name} has two fields of one name")
        return schema

    def _enum(self, written: Mapping[str, Any], namespace: str) -> AvroSchema:
        schema, _ = self._declared("enum", written, namespace)
        symbols = _texts(written.get("symbols"))
        if not symbols or len(set(symbols)) < len(symbols) or not all(map(_is_name, symbols)):
            raise SchemaFault(f"the enum {schema.name} has no list of different names as its symbols")
        schema.symbols = tuple(symbols)
        default = written.get("default")
        if default is not None and default not in symbols:
            raise SchemaFault(f"the default of the enum {schema.name} is none of its symbols")
        schema.symbol_default = default
        return schema

    def _fixed(self, written: Mapping[str, Any], namespace: str) -> AvroSchema:
        schema, _ = self._declared("fixed", written, namespace)
        size = written.get("size")
        if not _is_count(size) or size > MOST_FIXED_BYTES:
            raise SchemaFault(f"the fixed {schema.name} has no size")
        schema.size = size
        return _logical(schema, written)

    def _declared(self, kind: str, written: Mapping[str, Any], namespace: str) -> tuple[AvroSchema, str]:
        """Return a new named type and the namespace for its content. It is known before its content is read, since the content may refer to it."""
        name, given = written.get("name"), written.get("namespace")
        if not isinstance(name, str) or _FULL_NAME.fullmatch(name) is None:
            raise SchemaFault(f"the {kind} has no name")
        if given is not None and (not isinstance(given, str) or (given and _FULL_NAME.fullmatch(given) is None)):
            raise SchemaFault(f"the namespace of {name} is no name")
        if "." in name:
            namespace = name.rpartition(".")[0]
        else:
            namespace = namespace if given is None else given
            name = f"{namespace}.{name}" if namespace else name
        if name in self._named or name in PRIMITIVES:
            raise SchemaFault(f"the type {name} is declared twice")
        aliases = [
            each if "." in each or not namespace else f"{namespace}.{each}"
            for each in _texts(written.get("aliases", []))
        ]
        schema = self._named[name] = AvroSchema(kind, name, tuple(aliases))
        return schema, namespace


def _logical(schema: AvroSchema, written: Mapping[str, Any]) -> AvroSchema:
    """Return the schema with its logical type. An unknown or invalid logical type is ignored (specification, "Logical Types")."""
    logical = written.get("logicalType")
    if not isinstance(logical, str):
        return schema
    if logical == "decimal":
        precision, scale = written.get("precision"), written.get("scale", 0)
        if not _is_count(precision) or not _is_count(scale) or not precision or scale > precision:
            return schema
        schema.scale = scale
    schema.logical = logical
    return schema


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and value >= 0


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise SchemaFault("aliases and symbols are lists of names")
    return value
