"""Schema resolution, done once: the writer's schema with a conversion at each place where the reader's schema asks for another value.

The rules are those of the Avro specification 1.12, "Schema Resolution". Without a reader's schema, the conversions only make values plain.
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
"""The promotions: the writer's type and the reader's type, and the conversion of the value."""

_DECIMALS = {"decimal", "big-decimal"}
"""A decimal is read by the writer's scale. The reader's scale would give another number."""

AttachConversion = Callable[[dict[str, Any], Conversion | None], dict[str, Any]]
"""Adds a conversion to one part of a schema, in the form in which fastavro calls it."""


class MismatchError(ValueError):
    """Data of the writer's schema, or one value of it, cannot be read as the reader's schema."""


class Resolution:
    """Resolves a writer's schema to a reader's schema, or to plain values without one."""

    def __init__(self, attach: AttachConversion, most_digits: int) -> None:
        self._attach = attach
        self._most_digits = most_digits
        self._names: dict[tuple[AvroSchema, AvroSchema | None], str] = {}
        self._name_count = 0

    def of(self, writer: AvroSchema, reader: AvroSchema | None) -> Any:
        """Return the writer's schema as JSON with conversions. Names are numbered, since one type may be resolved to several types.

        Raises:
            MismatchError: no data of the writer's schema can be read as the reader's schema.
        """
        if writer.kind == "union":
            return [self.of(each, None) if reader is None else self._branch(each, reader) for each in writer.branches]
        if reader is not None and reader.kind == "union":
            return self._reader_branch(writer, reader)
        promoted = self._promotion(writer, reader)
        match writer.kind:
            case "record":
                return self._record(writer, reader)
            case "array" | "map":
                inner = self.of(writer.branches[0], reader.branches[0] if reader else None)
                return {"type": writer.kind, ("items" if writer.kind == "array" else "values"): inner}
            case "enum":
                shape: dict[str, Any] = {"type": "enum", "name": self._name(), "symbols": list(writer.symbols)}
                return self._attach(shape, _symbols(writer, reader) if reader else None)
            case "fixed":
                shape = {"type": "fixed", "name": self._name(), "size": writer.size}
            case _:
                shape = {"type": writer.kind}
        meant = writer if reader is None or {writer.logical, reader.logical} <= _DECIMALS else reader
        return self._attach(shape, _composed(promoted, conversion(meant, self._most_digits)))

    def _branch(self, writer: AvroSchema, reader: AvroSchema) -> Any:
        """Resolve one branch of the writer's union. Where the branch does not match, only the data of this branch is refused."""
        known = dict(self._names)
        try:
            return self.of(writer, reader)
        except MismatchError as error:
            self._names = known
            # A record of one field has the same bytes as the field, and can hold a conversion whatever the field's type is.
            as_written = [{"name": "value", "type": self.of(writer, None)}]
            shape = {"type": "record", "name": self._name(), "fields": as_written}
            return self._attach(shape, _refusing(str(error)))

    def _reader_branch(self, writer: AvroSchema, reader: AvroSchema) -> Any:
        """Resolve to the first branch of the reader's union that matches. Branches of the same type come before promotions."""
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
        return self._attach(shape, self._reshaped(writer, reader, wanted))

    def _reshaped(self, writer: AvroSchema, reader: AvroSchema, wanted: Mapping[str, AvroField]) -> Conversion | None:
        """Return the conversion that renames the fields, drops fields that the reader does not have, and adds its defaults; None where nothing changes."""
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
        """Return the plain value of a default, which the schema has as JSON (specification, "Complex Types"). In a union the first branch that fits counts."""
        if written is NO_DEFAULT:
            raise MismatchError(f"the writer has no field {place}, and it has no default")
        try:
            return default_value(schema, written, self._most_digits)
        except (TypeError, ValueError, RecursionError):
            raise MismatchError(f"the default of {place} is no value of its type") from None

    def _name(self) -> str:
        self._name_count += 1
        return f"t{self._name_count}"


def default_value(schema: AvroSchema, written: Any, most_digits: int) -> Any:
    """Return the plain value of a default. Raises ValueError or TypeError where the default does not fit the schema."""
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
    content: bytes = _expect(written, str).encode("iso-8859-1")  # each character is a byte
    if schema.kind == "fixed" and len(content) != schema.size:
        raise ValueError
    return content


def _expect(written: Any, kind: type) -> Any:
    if type(written) is not kind:
        raise TypeError
    return written


def _pairs(writer: AvroSchema, reader: AvroSchema) -> dict[str, AvroField]:
    """Return the reader's field for each name of a writer's field: by name, otherwise by the reader's aliases."""
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


def _composed(first: Conversion | None, second: Conversion | None) -> Conversion | None:
    if first is None or second is None:
        return first or second
    return lambda value: second(first(value))


def _described(schema: AvroSchema) -> str:
    return f"the {schema.kind} {schema.name}".rstrip()
