"""Schema resolution, done once: the writer's schema with, at each place, what makes of its value the one that the reader's schema asks for.

The rules are those of the Avro specification 1.12, "Schema Resolution". Without a reader's schema the values only become plain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pipeline.decode.avro.schema import NO_DEFAULT, AvroField, AvroSchema
from pipeline.decode.avro.values import Conversion, conversion, shortest

PROMOTIONS: Mapping[tuple[str, str], Conversion] = {
    ("int", "long"): int,
    ("int", "float"): float,
    ("int", "double"): float,
    ("long", "float"): float,
    ("long", "double"): float,
    ("float", "double"): shortest,
    ("string", "bytes"): str.encode,
    ("bytes", "string"): bytes.decode,
}
"""What a reader may take for its own, and how."""

_DECIMALS = {"decimal", "big-decimal"}
"""These are the number that the writer wrote: read by another scale they would be another one."""

Marked = Callable[[dict[str, Any], Conversion | None], dict[str, Any]]
"""Adds a conversion to one part of a schema, in a way that the library which reads the data calls it."""


class MismatchError(ValueError):
    """Data of the writer's schema, or this value of it, is none of the reader's."""


class Resolution:
    """One writer's schema resolved to one reader's, or to none."""

    def __init__(self, mark: Marked, most_digits: int) -> None:
        self._mark = mark
        self._most_digits = most_digits
        self._names: dict[tuple[AvroSchema, AvroSchema | None], str] = {}
        self._made = 0

    def of(self, writer: AvroSchema, reader: AvroSchema | None) -> Any:
        """Return the writer's schema as JSON with conversions. Names are numbered: one type may be resolved to several.

        Raises:
            MismatchError: no data of the writer's schema is data of the reader's.
        """
        if writer.kind == "union":
            return [self.of(each, None) if reader is None else self._branch(each, reader) for each in writer.branches]
        if reader is not None and reader.kind == "union":
            return self._first(writer, reader)
        promoted = self._promotion(writer, reader)
        match writer.kind:
            case "record":
                return self._record(writer, reader)
            case "array" | "map":
                inner = self.of(writer.branches[0], reader.branches[0] if reader else None)
                return {"type": writer.kind, ("items" if writer.kind == "array" else "values"): inner}
            case "enum":
                shape: dict[str, Any] = {"type": "enum", "name": self._name(), "symbols": list(writer.symbols)}
                return self._mark(shape, _symbols(writer, reader) if reader else None)
            case "fixed":
                shape = {"type": "fixed", "name": self._name(), "size": writer.size}
            case _:
                shape = {"type": writer.kind}
        meant = writer if reader is None or {writer.logical, reader.logical} <= _DECIMALS else reader
        return self._mark(shape, _after(promoted, conversion(meant, self._most_digits)))

    def _branch(self, writer: AvroSchema, reader: AvroSchema) -> Any:
        """A branch that does not match costs only the data that takes it."""
        known = dict(self._names)
        try:
            return self.of(writer, reader)
        except MismatchError as error:
            self._names = known
            # A record of one field is written as that field is, and can carry a mark whatever the field is.
            as_written = [{"name": "value", "type": self.of(writer, None)}]
            shape = {"type": "record", "name": self._name(), "fields": as_written}
            return self._mark(shape, _refusing(str(error)))

    def _first(self, writer: AvroSchema, reader: AvroSchema) -> Any:
        """Of a reader's union the first branch that matches: of the same type before what it may be promoted to."""
        same = [each for each in reader.branches if each.kind == writer.kind]
        for each in [*same, *(other for other in reader.branches if other not in same)]:
            known = dict(self._names)
            try:
                return self.of(writer, each)
            except MismatchError:
                self._names = known
        raise MismatchError(f"{_described(writer)} is no branch of the reader's union")

    def _promotion(self, writer: AvroSchema, reader: AvroSchema | None) -> Conversion | None:
        if reader is None or writer is reader:
            return None
        if writer.kind != reader.kind:
            if (promotion := PROMOTIONS.get((writer.kind, reader.kind))) is None:
                raise MismatchError(f"{_described(writer)} cannot be read as {_described(reader)}")
            return promotion
        if writer.name and not _of_one_name(writer, reader):
            raise MismatchError(f"{_described(writer)} cannot be read as {_described(reader)}")
        if writer.size != reader.size:
            raise MismatchError(f"{_described(writer)} has another size for the reader")
        return None

    def _record(self, writer: AvroSchema, reader: AvroSchema | None) -> Any:
        if (name := self._names.get((writer, reader))) is not None:
            return name
        name = self._names[writer, reader] = self._name()
        shape: dict[str, Any] = {"type": "record", "name": name}
        if reader is None:
            shape["fields"] = [{"name": each.name, "type": self.of(each.schema, None)} for each in writer.fields]
            return shape
        wanted = _pairs(writer, reader)
        shape["fields"] = [
            {"name": each.name, "type": self.of(each.schema, wanted[each.name].schema if each.name in wanted else None)}
            for each in writer.fields
        ]
        return self._mark(shape, self._shaped(writer, reader, wanted))

    def _shaped(self, writer: AvroSchema, reader: AvroSchema, wanted: Mapping[str, AvroField]) -> Conversion | None:
        """Rename the fields, leave out those that the reader does not know, and fill in its defaults."""
        names = {each.name: field for field, each in wanted.items()}
        defaults = {
            each.name: self._default(each.schema, each.default, f"{reader.name}.{each.name}")
            for each in reader.fields
            if each.name not in names
        }
        if not defaults and len(wanted) == len(writer.fields) and all(name == field for name, field in names.items()):
            return None
        pairs = [(each.name, names[each.name]) for each in reader.fields if each.name in names]
        return lambda value: {**{name: value[field] for name, field in pairs}, **defaults}

    def _default(self, schema: AvroSchema, written: Any, place: str) -> Any:
        """A default stands in the schema as JSON (specification, "Complex Types"); of a union it is one of the first branch that it fits."""
        if written is NO_DEFAULT:
            raise MismatchError(f"the writer has no field {place}, and it has no default")
        try:
            return default_value(schema, written, self._most_digits)
        except (TypeError, ValueError, RecursionError):
            raise MismatchError(f"the default of {place} is no value of its type") from None

    def _name(self) -> str:
        self._made += 1
        return f"t{self._made}"


def default_value(schema: AvroSchema, written: Any, most_digits: int) -> Any:
    """Make the plain value of a default. Raises ValueError or TypeError where it does not fit."""
    match schema.kind:
        case "union":
            for branch in schema.branches:
                try:
                    return default_value(branch, written, most_digits)
                except (TypeError, ValueError):
                    continue
            raise ValueError
        case "record":
            given = _expect(written, dict)
            return {
                each.name: default_value(each.schema, given.get(each.name, each.default), most_digits)
                for each in schema.fields
            }
        case "array":
            return [default_value(schema.branches[0], each, most_digits) for each in _expect(written, list)]
        case "map":
            return {
                name: default_value(schema.branches[0], each, most_digits)
                for name, each in _expect(written, dict).items()
            }
    plain: Any
    match schema.kind:
        case "null":
            plain = _expect(written, type(None))
        case "boolean":
            plain = _expect(written, bool)
        case "int" | "long":
            plain = _expect(written, int)
        case "float" | "double":
            plain = float(_expect(written, float if isinstance(written, float) else int))
        case "bytes" | "fixed":
            plain = _default_bytes(schema, written)
        case _:
            plain = _expect(written, str)
    convert = conversion(schema, most_digits)
    return plain if convert is None else convert(plain)


def _default_bytes(schema: AvroSchema, written: Any) -> bytes:
    content: bytes = _expect(written, str).encode("iso-8859-1")  # a character a byte
    if schema.kind == "fixed" and len(content) != schema.size:
        raise ValueError
    return content


def _expect(written: Any, kind: type) -> Any:
    if type(written) is not kind:
        raise TypeError
    return written


def _pairs(writer: AvroSchema, reader: AvroSchema) -> dict[str, AvroField]:
    """Which field of the reader each one of the writer is: by name, else by the reader's aliases."""
    by_name = {each.name: each for each in reader.fields}
    by_alias = {alias: each for each in reader.fields for alias in each.aliases}
    written = {each.name for each in writer.fields}
    pairs = {}
    for each in writer.fields:
        if each.name in by_name:
            pairs[each.name] = by_name[each.name]
        elif each.name in by_alias and by_alias[each.name].name not in written:
            pairs[each.name] = by_alias[each.name]
    return pairs


def _of_one_name(writer: AvroSchema, reader: AvroSchema) -> bool:
    return writer.short_name == reader.short_name or writer.name in reader.aliases


def _symbols(writer: AvroSchema, reader: AvroSchema) -> Conversion | None:
    if set(writer.symbols) <= set(reader.symbols):
        return None
    taken = {each: each if each in reader.symbols else reader.symbol_default for each in writer.symbols}
    refuse = _refusing(f"a symbol of the enum {writer.name} is none of the reader's")

    def convert(symbol: str) -> Any:
        found = taken[symbol]
        return refuse(symbol) if found is None else found

    return convert


def _refusing(reason: str) -> Conversion:
    def refuse(_value: Any) -> NoReturn:
        raise MismatchError(reason)

    return refuse


def _after(first: Conversion | None, second: Conversion | None) -> Conversion | None:
    if first is None or second is None:
        return first or second
    return lambda value: second(first(value))


def _described(schema: AvroSchema) -> str:
    return f"the {schema.kind} {schema.name}".rstrip()
